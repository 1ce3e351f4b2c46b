"""Rewrites the rows of a group of files to few files, and proves that these hold the same rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.errors import RowsDiffer
from influx_lake.iceberg.compaction.content_hash import ContentHash
from influx_lake.iceberg.compaction.row_order import RowOrder
from influx_lake.iceberg.compaction.selection import FileGroup
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.parquet_reader import BATCH_ROWS
from influx_lake.iceberg.scan.reader import arrow_schema, conform, read_tasks
from influx_lake.iceberg.spill.malloc_trim import return_freed_memory
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.writer import DataFileWriter, delete_files

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table

BEYOND_TARGET = 1.1
"""Files are closed at this multiple of the target size, so that there are at most bytes / target size + 1 of them."""
BYTES_OF_NUMBER = 6
"""A string column that takes fewer bytes per row than this in a file is read as a dictionary."""
ENCODERS = 1
"""Row groups that are encoded at once; the next one is read and hashed meanwhile, which takes about as long."""
READ_BYTES = 2**17
"""The bytes of a column that are read from the store at once: the proof reads files once, in little memory."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The files that a group was rewritten to.

    Attributes:
        group: The group.
        files: The files that hold its rows.
        rows: The number of rows.
    """

    group: FileGroup
    files: tuple[DataFile, ...]
    rows: int


def rewrite(table: Table, target: TableTarget, group: FileGroup, order: RowOrder, target_file_size: int) -> Rewritten:
    """Rewrite the rows of a group's files; the table is not changed.

    Args:
        table: The table, under the column names of its loads.
        target: The options with which its files are written.
        group: The files.
        order: The order of the rows.
        target_file_size: The target size of files, in bytes.

    Raises:
        StorageError: A file cannot be read or written.
        RowsDiffer: The written files do not hold the same rows; they were deleted.
    """
    read = _Reading(table, group.tasks[0])
    before = _Content(read.content)
    closing_size = int(target_file_size * BEYOND_TARGET)
    target = replace(target, write=target.write.model_copy(update={"target_file_size": closing_size}))
    return_freed_memory()
    writer = DataFileWriter(table, target, order.file_order, ENCODERS)
    try:
        with catalog_errors(f"write files of {target.name}"):
            for batch in order.rows_of(table, group.tasks, lambda tasks: before.seen(read.rows(tasks)), read.schema):
                writer.write(batch)
                # The allocator does not return this thread's share of what other threads freed by itself.
                pa.default_memory_pool().release_unused()
            files = writer.finish()
    except BaseException:
        writer.abort()
        raise
    try:
        _check_same(before, read, files, target.name)
    except BaseException:
        delete_files(table, [file.file_path for file in files])
        raise
    return Rewritten(group, tuple(files), before.rows)


def _check_same(before: _Content, read: _Reading, files: Sequence[DataFile], table: str) -> None:
    """Read the written files back, and compare their rows with those that they were made of."""
    return_freed_memory()
    after = _Content(read.content)
    deque(after.seen(read.written(files)), maxlen=0)
    if (before.rows, before.hash) != (after.rows, after.hash):
        raise RowsDiffer(
            f"files of {table} that were written in the place of others do not hold the same rows: {after.rows:,} "
            f"instead of {before.rows:,}, or other values; the table is unchanged",
            remedy="This is a fault of the product, of the memory or of the store. Report it, with the table's schema",
        )


class _Content:
    """Counts and hashes the rows of a stream."""

    def __init__(self, content: ContentHash) -> None:
        self.rows = self.hash = 0
        self._content = content

    def seen(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches, counted and hashed."""
        for batch in batches:
            self.rows += len(batch)
            self.hash = (self.hash + self._content.of(batch)) % 2**64
            yield batch


class _Reading:
    """Reads files of a table, with string columns of few distinct values as dictionaries.

    Args:
        table: The table.
        first: A file whose sizes show which columns these are.
    """

    def __init__(self, table: Table, first: FileScanTask) -> None:
        self._table = table
        plain = arrow_schema(table.schema())
        texts = {field.name for field in plain if pa.types.is_string(field.type)}
        self._encoded = tuple(name for name in _of_few_values(table, first) if name in texts)
        kinds = {name: pa.dictionary(pa.int32(), pa.string()) for name in self._encoded}
        self.schema = pa.schema([field.with_type(kinds.get(field.name, field.type)) for field in plain])
        self.content = ContentHash(len(plain))

    def rows(self, tasks: Sequence[FileScanTask]) -> Iterator[pa.RecordBatch]:
        """The rows of files of the table, without deleted ones."""
        for batch in read_tasks(self._table, tasks, None, self._table.schema(), self._encoded):
            yield conform(batch, self.schema)

    def written(self, files: Iterable[DataFile]) -> Iterator[pa.RecordBatch]:
        """The rows of files that were written for the table and are not committed yet."""
        from pyarrow.parquet import ParquetFile

        with catalog_errors(f"read files of {'.'.join(self._table.name())}"):
            for file in files:
                with self._table.io.new_input(file.file_path).open() as stream:
                    names = ParquetFile(stream).schema_arrow.names
                    encoded = [names[self.schema.names.index(name)] for name in self._encoded]
                    source = ParquetFile(stream, read_dictionary=encoded, pre_buffer=False, buffer_size=READ_BYTES)
                    for batch in source.iter_batches(BATCH_ROWS, use_threads=False):
                        yield conform(batch, self.schema)


def _of_few_values(table: Table, task: FileScanTask) -> list[str]:
    """The columns with few distinct values in a file, judged by their size."""
    sizes = task.file.column_sizes or {}
    return [
        field.name
        for field in table.schema().fields
        if 0 < sizes.get(field.field_id, 0) < BYTES_OF_NUMBER * task.file.record_count
    ]
