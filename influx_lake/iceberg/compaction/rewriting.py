"""Writes the rows of a group of files to few files, and proves that these hold the same rows."""

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
"""Files are closed at this part of the target size, so that there are no more than the bytes over it, and one."""
BYTES_OF_NUMBER = 6
"""A text that takes fewer bytes than this in a file is the number of a text in a dictionary."""
ENCODERS = 1
"""Row groups that are encoded at once; the next one is read and hashed meanwhile, which takes about as long."""
READ_BYTES = 2**17
"""How much of a column is read from the store at once: what is proved is read once, and needs no more in memory."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Files in the place of a group.

    Attributes:
        group: The group.
        files: The files with its rows.
        rows: How many there are.
    """

    group: FileGroup
    files: tuple[DataFile, ...]
    rows: int


def rewrite(table: Table, target: TableTarget, group: FileGroup, order: RowOrder, target_file_size: int) -> Rewritten:
    """Write the rows of a group's files anew; the table is not changed.

    Args:
        table: The table, its columns called as its loads know them.
        target: How its files are written.
        group: The files.
        order: The order of the rows.
        target_file_size: How large the files are to be, in bytes.

    Raises:
        StorageError: A file cannot be read or written.
        RowsDiffer: What was written does not hold the same rows; it was deleted.
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
                # Of what is freed elsewhere, this thread's part of the allocator gives nothing back by itself.
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
    """Read what was written, and compare it with what it was made of."""
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
    """The number and the hash of rows that pass by."""

    def __init__(self, content: ContentHash) -> None:
        self.rows = self.hash = 0
        self._content = content

    def seen(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, once they are counted in."""
        for batch in batches:
            self.rows += len(batch)
            self.hash = (self.hash + self._content.of(batch)) % 2**64
            yield batch


class _Reading:
    """Reads files of a table, texts of few distinct values as dictionaries.

    Args:
        table: The table.
        first: A file that shows which texts these are.
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
        """The rows of files of the table, without those that others deleted."""
        for batch in read_tasks(self._table, tasks, None, self._table.schema(), self._encoded):
            yield conform(batch, self.schema)

    def written(self, files: Iterable[DataFile]) -> Iterator[pa.RecordBatch]:
        """The rows of files that were written for the table and are not part of it yet."""
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
    """The columns with few distinct values in a file, as far as their size shows it."""
    sizes = task.file.column_sizes or {}
    return [
        field.name
        for field in table.schema().fields
        if 0 < sizes.get(field.field_id, 0) < BYTES_OF_NUMBER * task.file.record_count
    ]
