"""The rows of one Iceberg partition on their way to its files."""

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
"""How many files of a partition may wait for the end of their upload while the next one is written."""


@dataclass(slots=True)
class FileSink:
    """What the files of one writer have in common.

    Attributes:
        target: How its files are to be.
        form: How they look.
        pool: Encodes them.
        paths: Where all of them are, those that are not finished, too.
    """

    table: Table
    target: TableTarget
    form: FileFormat
    pool: EncodingPool
    paths: list[str]


@dataclass(slots=True)
class PartitionFiles:
    """The files of one Iceberg partition, one after the other; of each, one row group at a time.

    Attributes:
        sink: What they have in common with those of other partitions.
        key: The partition.
        used: When rows came last.
        waiting: The rows that wait for their row group.
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

    def write_row_group(self, *, is_last: bool = False) -> None:
        """Have the rows that wait encoded; those that are left over from full row groups begin the next one."""
        self._settle()
        form, waiting = self.sink.form, pa.concat_tables(self._tables)
        left_over = 0 if is_last else len(waiting) % form.settings.row_group_rows
        whole = len(waiting) - left_over or len(waiting)
        rows, rest = form.row_group(waiting.slice(0, whole)), waiting.slice(whole)
        size, self._tables, self.waiting = self.waiting.bytes, [], Size()
        if len(rest):
            self._tables.append(rest)
            self.waiting.add(len(rest), form.row_size.of(rest))
        self._writing = self.sink.pool.submit(size - self.waiting.bytes, self._write, rows, is_last)

    def finish_soon(self) -> None:
        """Have everything written and every file closed, but do not wait for it."""
        if self._tables:
            self.write_row_group(is_last=True)
            return
        self._settle()
        if self._open is not None:
            self._close()

    def finish(self) -> list[DataFile]:
        """Have everything written, and describe the files."""
        self.finish_soon()
        self._settle()
        while self._closing:
            self._take_closed()
        return self._finished

    def give_up(self) -> None:
        """Close what is open; nothing is being written any more."""
        for file in (*(file for file, _ in self._closing), *([self._open] if self._open else [])):
            file.close_quietly()

    def _settle(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, rows: pa.Table, is_last: bool) -> None:
        while len(rows):
            if self._open is None:
                self._open = OpenFile.create(self.sink.table, self.key, self.sink.form)
                self.sink.paths.append(self._open.path)
            part = rows.slice(0, self._open.fitting_rows(rows))
            rows = rows.slice(len(part))
            self._open.write(part)
            if self._open.is_full() or (is_last and not len(rows)):
                self._close()

    def _close(self) -> None:
        assert self._open is not None
        file = self._open
        arguments = self.sink.table, self.key, self.sink.target
        if sum(not described.done() for _, described in self._closing) < MOST_CLOSING:
            # Which a pool that is closed does not take: the file is open still, and is given up.
            described = self.sink.pool.aside(file.finish, *arguments)
            self._open = None
        else:
            self._open = None
            # Not waited for: the work that would be, may itself wait for this thread.
            described = Future()
            described.set_result(file.finish(*arguments))
        self._closing.append((file, described))
        while self._closing and self._closing[0][1].done():
            self._take_closed()

    def _take_closed(self) -> None:
        """Keep of the first file what describes it alone: its writer has megabytes of what its pages hold."""
        self._finished.append(self._closing[0][1].result())
        self._closing.popleft()
