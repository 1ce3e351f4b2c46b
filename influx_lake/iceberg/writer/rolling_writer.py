"""Writes the rows of one Iceberg partition to rolling files."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.spill.memory_accounting import Size
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.data_file import OpenFile
from influx_lake.iceberg.writer.encoding_pool import EncodingPool
from influx_lake.iceberg.writer.file_format import FileFormat

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionKey
    from pyiceberg.table import Table

MOST_CLOSING = 2
"""The number of files of a partition whose upload may still be ending while the next one is written."""


@dataclass(slots=True)
class FileSink:
    """The common properties of a writer's files.

    Attributes:
        target: The options with which they are written.
        form: Their format.
        pool: The threads that encode them.
        paths: The paths of all files, including unfinished ones.
    """

    table: Table
    target: TableTarget
    form: FileFormat
    pool: EncodingPool
    paths: list[str]


@dataclass(slots=True)
class PartitionFiles:
    """The files of one Iceberg partition, written one after the other, and each by one row group at a time.

    Attributes:
        sink: The common properties of the writer's files.
        key: The partition.
        used: The number of the last chunk with rows of it.
        waiting: The size of the rows that are buffered for their row group.
    """

    sink: FileSink
    key: PartitionKey | None
    used: int = 0
    waiting: Size = field(default_factory=Size)
    _tables: list[pa.Table] = field(default_factory=list)
    _writing: Future[None] | None = None
    _open: OpenFile | None = None
    _closing: deque[tuple[OpenFile, Future[DataFile]]] = field(default_factory=deque)
    _finished: list[DataFile] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        self._tables.append(rows)
        self.waiting.add(len(rows), self.sink.form.row_size.of(rows))
        settings = self.sink.form.settings
        if self.waiting.reaches(settings.row_group_rows, settings.row_group_bytes):
            self.write_row_group()

    def write_row_group(self) -> None:
        """Submit the buffered rows for encoding; the rest beyond full row groups stays buffered."""
        self._submit(is_last=False)

    def finish_soon(self) -> None:
        """Submit all rows for encoding, and close the files, without waiting for it."""
        if self._tables:
            self._submit(is_last=True)
            return
        self._settle()
        if self._open is not None:
            self._close()

    def finish(self) -> list[DataFile]:
        """Write all rows, and return the manifest entries of the files.

        What is left is written by this thread, which would only wait for another one.
        """
        self._settle()
        if self._tables:
            self._write(self._row_group(is_last=True), is_last=True, aside=False)
        elif self._open is not None:
            self._close(aside=False)
        while self._closing:
            self._take_closed()
        return self._finished

    def give_up(self) -> None:
        """Close open files; no thread may be writing any more."""
        for file in (*(file for file, _ in self._closing), *([self._open] if self._open else [])):
            file.close_quietly()

    def _submit(self, *, is_last: bool) -> None:
        self._settle()
        size = self.waiting.bytes
        rows = self._row_group(is_last=is_last)
        self._writing = self.sink.pool.submit(size - self.waiting.bytes, self._write, rows, is_last)

    def _row_group(self, *, is_last: bool) -> pa.Table:
        """Take the buffered rows: all, or those of full row groups."""
        form, waiting = self.sink.form, pa.concat_tables(self._tables)
        left_over = 0 if is_last else len(waiting) % form.settings.row_group_rows
        whole = len(waiting) - left_over or len(waiting)
        rows, rest = form.row_group(waiting.slice(0, whole)), waiting.slice(whole)
        self._tables, self.waiting = [], Size()
        if len(rest):
            self._tables.append(rest)
            self.waiting.add(len(rest), form.row_size.of(rest))
        return rows

    def _settle(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, rows: pa.Table, is_last: bool, aside: bool = True) -> None:
        while len(rows):
            if self._open is None:
                self._open = OpenFile.create(self.sink.table, self.key, self.sink.form)
                self.sink.paths.append(self._open.path)
            part = rows.slice(0, self._open.fitting_rows(rows))
            rows = rows.slice(len(part))
            self._open.write(part)
            if self._open.is_full() or (is_last and not len(rows)):
                self._close(aside=aside or bool(len(rows)))

    def _close(self, *, aside: bool = True) -> None:
        """Close the open file; `aside` while the next one is written, where not too many are being closed."""
        assert self._open is not None
        file = self._open
        arguments = self.sink.table, self.key, self.sink.target
        if aside and sum(not described.done() for _, described in self._closing) < MOST_CLOSING:
            # A closed pool refuses it: then the file is still open, and is abandoned.
            described = self.sink.pool.aside(file.finish, *arguments)
            self._open = None
        else:
            self._open = None
            # In this thread: work that it would wait for may itself wait for this thread.
            described = Future()
            described.set_result(file.finish(*arguments))
        self._closing.append((file, described))
        while self._closing and self._closing[0][1].done():
            self._take_closed()

    def _take_closed(self) -> None:
        """Keep only the manifest entry of the first closed file: its writer holds megabytes of page statistics."""
        self._finished.append(self._closing[0][1].result())
        self._closing.popleft()
