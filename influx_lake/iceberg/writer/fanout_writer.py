"""Rows of many Iceberg partitions, each to files of its own; how many are open, and what waits, is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.writer.fanout_spill import FanoutSpill
from influx_lake.iceberg.writer.partitioner import Partition, Partitioner
from influx_lake.iceberg.writer.rolling_writer import FileSink, PartitionFiles

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

WAITING_BYTES = 24 * 2**20
"""How much waits for its row group, over all partitions, before the largest part is written early."""
ENCODED_BYTES = 8 * 2**20
"""How much may be being encoded beside that, where several row groups are at once; a larger one is encoded while only
as much more comes."""
MAX_OPEN_FILES = 64
IDLE_CHUNKS = 16
"""A partition that got no rows for this long gives its open file up for another's."""


class FanOut:
    """Writes rows to one file per partition at a time.

    Args:
        partitioner: Splits the rows.
        sink: What the files have in common.
    """

    def __init__(self, partitioner: Partitioner, sink: FileSink) -> None:
        self._partitioner = partitioner
        self._sink = sink
        self._waiting_bytes = max(WAITING_BYTES, sink.form.settings.pending_bytes)
        self._encoded_bytes = ENCODED_BYTES if sink.pool.threads > 1 else 0
        self._chunk = 0
        # The one that was used last is the last.
        self._partitions: dict[str, PartitionFiles] = {}
        self._overflow = FanoutSpill(sink.form)
        self._finished: list[DataFile] = []

    def write(self, rows: pa.Table) -> None:
        """Take rows in the table's types, some at a time.

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
        """Write what waits, close every file and describe them all."""
        self._finish_files()
        for partition, tables in self._overflow.partitions():
            for rows in tables:
                self._add(partition, rows)
                self._make_room()
            self._finish_files()
        self._overflow.close()
        return self._finished

    def give_up(self) -> None:
        """Close what is open; nothing is being written any more."""
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
        for partition in self._partitions.values():
            partition.finish_soon()
        for partition in self._partitions.values():
            self._finished += partition.finish()
        self._partitions.clear()
