"""Writes rows of many Iceberg partitions to files of each, with bounds on open files and on buffered rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.writer.fanout_spill import FanoutSpill
from influx_lake.iceberg.writer.partitioner import Partition, Partitioner
from influx_lake.iceberg.writer.rolling_writer import FileSink, PartitionFiles

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

WAITING_BYTES = 24 * 2**20
"""The bytes that are buffered for row groups, over all partitions, before the largest is written early."""
ENCODED_BYTES = 8 * 2**20
"""The bytes that may be in encoding beside that, where several row groups are encoded at once; while a larger one is
encoded, only as much more is buffered.
"""
MAX_OPEN_FILES = 64
IDLE_CHUNKS = 16
"""A partition without new rows for this many chunks gives up its open file for another's."""


class FanOut:
    """Writes rows to one open file per partition.

    Args:
        partitioner: Splits the rows.
        sink: The common properties of the files.
    """

    def __init__(self, partitioner: Partitioner, sink: FileSink) -> None:
        self._partitioner = partitioner
        self._sink = sink
        self._waiting_bytes = max(WAITING_BYTES, sink.form.settings.pending_bytes)
        self._encoded_bytes = ENCODED_BYTES if sink.pool.threads > 1 else 0
        self._chunk = 0
        # In the order of their last use.
        self._partitions: dict[str, PartitionFiles] = {}
        self._overflow = FanoutSpill(sink.form)
        self._finished: list[DataFile] = []

    def write(self, rows: pa.Table) -> None:
        """Write rows in the table's types, some at a time.

        Raises:
            OSError: A file cannot be written.
        """
        self._chunk += 1
        for partition, part in self._partitioner.split(self._sink.form.conform(rows)):
            if self._may_have_file(partition.path):
                self._add(partition, part)
            else:
                self._overflow.add(partition, part)
        self._make_room()

    def finish(self) -> list[DataFile]:
        """Write what is buffered, close all files and return their manifest entries."""
        self._finish_files()
        for partition, tables in self._overflow.partitions():
            for rows in tables:
                self._add(partition, rows)
                self._make_room()
            self._finish_files()
        self._overflow.close()
        return self._finished

    def give_up(self) -> None:
        """Close open files; no thread may be writing any more."""
        for partition in self._partitions.values():
            partition.give_up()
        self._overflow.close()

    def _add(self, partition: Partition, rows: pa.Table) -> None:
        files = self._partitions.pop(partition.path, None) or PartitionFiles(self._sink, partition.key)
        self._partitions[partition.path] = files
        files.used = self._chunk
        files.add(rows)

    def _may_have_file(self, path: str) -> bool:
        if path in self._partitions:
            return True
        if path in self._overflow:
            return False
        if len(self._partitions) >= MAX_OPEN_FILES:
            oldest = next(iter(self._partitions))
            if self._chunk - self._partitions[oldest].used < IDLE_CHUNKS:
                return False
            self._finished += self._partitions.pop(oldest).finish()
        return True

    def _make_room(self) -> None:
        pool = self._sink.pool
        while self._waiting() > self._waiting_bytes:
            if self._overflow.waiting.bytes * 2 > self._waiting_bytes or not self._partitions:
                self._overflow.write()
            else:
                max(self._partitions.values(), key=lambda partition: partition.waiting.bytes).write_row_group()
        while pool.bytes and self._waiting() + pool.bytes > self._waiting_bytes + self._encoded_bytes:
            pool.wait_for_one()

    def _waiting(self) -> int:
        return self._overflow.waiting.bytes + sum(partition.waiting.bytes for partition in self._partitions.values())

    def _finish_files(self) -> None:
        if len(self._partitions) > 1:
            for partition in self._partitions.values():
                partition.finish_soon()
        for partition in self._partitions.values():
            self._finished += partition.finish()
        self._partitions.clear()
