"""Reads files directly that have every column with the table's type, and no deleted rows."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.scan.row_filter import Bounds, RowFilter

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetSchema, RowGroupMetaData
    from pyiceberg.io import InputStream
    from pyiceberg.table import FileScanTask, Table

BATCH_ROWS = 16_384
_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group that may hold rows that are wanted.

    Attributes:
        number: Its place in the file.
        rows: How many rows it has, wanted or not.
        bounds: Their first and last time; None where it does not say.
    """

    number: int
    rows: int
    bounds: Bounds | None


class StoredFile:
    """A Parquet file of a table, whose footer was read.

    Args:
        table: The table.
        task: The file; `is_stored` says whether it can be read this way.
        wanted: Only these rows.
        stream: The file, opened by the caller, who closes it; None: it is opened for each read, so that many files do
            not stay open.
    """

    def __init__(
        self, table: Table, task: FileScanTask, wanted: RowFilter | None, stream: InputStream | None = None
    ) -> None:
        from pyarrow.parquet import read_metadata

        self._wanted = wanted.within(table, task.file) if wanted is not None else None
        self._stored, self._stream = table.io.new_input(task.file.file_path), stream
        with self._open() as opened:
            self._metadata = read_metadata(opened)
        self._columns = self._metadata.schema.to_arrow_schema()
        # What tells which rows are wanted, by field id.
        self._telling: dict[int, pa.Field] = {}
        self._time_id = self._share_id = 0
        if self._wanted is not None and self._wanted.windows is not None:
            self._time_id, time = _time(table, self._wanted)
            self._telling[self._time_id] = time
        if self._wanted is not None and self._wanted.share is not None:
            self._share_id = table.schema().find_field(self._wanted.share.column).field_id
            self._telling[self._share_id] = pa.field(self._wanted.share.column, pa.string())

    @cached_property
    def field_ids(self) -> frozenset[int]:
        """The columns that the file has."""
        return frozenset(int((column.metadata or {}).get(_FIELD_ID, -1)) for column in self._columns)

    def has(self, columns: dict[int, pa.Field]) -> bool:
        """Whether the file has columns, by their field ids, as they are asked for, and those that tell its rows."""
        return _names(self._columns, {**self._telling, **columns}) is not None

    def groups(self, time_id: int | None = None) -> list[RowGroup]:
        """The row groups that may hold rows that are wanted.

        Args:
            time_id: The column whose bounds are told; None: that of the windows that are wanted, if any are.
        """
        place = self._place_of(time_id or self._time_id)
        found = []
        for number in range(self._metadata.num_row_groups):
            group = self._metadata.row_group(number)
            bounds = _bounds(group, place) if place is not None else None
            if self._wanted is None or not self._time_id or not self._wanted.holds_none(bounds):
                found.append(RowGroup(number, group.num_rows, bounds))
        return found

    def rows(
        self, columns: dict[int, pa.Field], groups: Sequence[RowGroup], batch_rows: int | None = None
    ) -> Generator[pa.RecordBatch]:
        """Stream the rows of row groups, one row group and one batch at a time.

        Args:
            columns: Only these columns, by their field ids, in this order, which the file `has`; text may be asked for
                as a dictionary.
            groups: The row groups.
            batch_rows: How many rows a batch has at most; None: `BATCH_ROWS`.
        """
        from pyarrow.parquet import ParquetFile

        names, wanted = _names(self._columns, {**self._telling, **columns}), self._wanted
        assert names is not None
        encoded = [names[each] for each, column in columns.items() if pa.types.is_dictionary(column.type)]
        schema, numbers = pa.schema(columns.values()), [group.number for group in groups]
        with self._open() as stream:
            file = ParquetFile(stream, metadata=self._metadata, read_dictionary=encoded, pre_buffer=False)
            for batch in file.iter_batches(
                batch_rows or BATCH_ROWS, numbers, columns=list(names.values()), use_threads=False
            ):
                rows = pa.RecordBatch.from_arrays([batch.column(names[each]) for each in columns], schema=schema)
                if wanted is not None and wanted.is_needed:
                    told = (batch.column(names[each]) if each else None for each in (self._time_id, self._share_id))
                    rows = wanted.sift(rows, *told)
                if len(rows):
                    yield rows

    def _open(self) -> AbstractContextManager[InputStream]:
        return self._stored.open() if self._stream is None else nullcontext(self._stream)

    def _place_of(self, field_id: int) -> int | None:
        """The place of a column among all that have values of their own, if it has times in microseconds."""
        name = next((each.name for each in self._columns if _field_id(each) == field_id and _in_us(each.type)), None)
        return _leaf(self._metadata.schema, name) if name is not None else None


def is_stored(task: FileScanTask) -> bool:
    """Whether a file holds exactly the rows that it is read with, in Parquet."""
    from pyiceberg.manifest import FileFormat

    return task.file.file_format == FileFormat.PARQUET and not task.delete_files


def stored_rows(
    table: Table, task: FileScanTask, wanted: RowFilter | None, columns: dict[int, pa.Field]
) -> Generator[pa.RecordBatch, None, bool]:
    """Stream the rows of a file.

    pyiceberg's scan decodes many batches ahead of its consumer, in several threads, and all strings of a file that it
    filters. It is needed for files with rows that other engines deleted, or written with an older schema.

    Args:
        table: The table.
        task: The file.
        wanted: Only these rows.
        columns: Only these columns, by field id, in this order; strings may be requested as dictionaries.

    Returns:
        Whether the file could be read this way; if not, no batch was yielded.
    """
    if not is_stored(task):
        return False
    # Opened once: in an object store each opening is a request.
    with table.io.new_input(task.file.file_path).open() as stream:
        file = StoredFile(table, task, wanted, stream)
        if not file.has(columns):
            return False
        yield from file.rows(columns, file.groups())
    return True


def _time(table: Table, wanted: RowFilter) -> tuple[int, pa.Field]:
    """The time column: its field id, and the type in which the filter compares it."""
    from pyiceberg.types import TimestamptzType

    field = table.schema().find_field(wanted.column)
    zone = "UTC" if isinstance(field.field_type, TimestamptzType) else None
    return field.field_id, pa.field(field.name, pa.timestamp("us", zone))


def _leaf(schema: ParquetSchema, name: str) -> int:
    """The index of a column that is not nested among the leaf columns."""
    return next(place for place in range(len(schema)) if schema.column(place).path == name)


def _bounds(group: RowGroupMetaData, column: int) -> Bounds | None:
    """The first and last time of a row group; None where it has no statistics, or rows without a time."""
    said = group.column(column).statistics
    if said is None or not said.has_min_max or not said.has_null_count or said.null_count:
        return None
    return said.min_raw, said.max_raw


def _in_us(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.unit == "us")


def _field_id(column: pa.Field) -> int:
    return int((column.metadata or {}).get(_FIELD_ID, -1))


def _names(file: pa.Schema, columns: dict[int, pa.Field]) -> dict[int, str] | None:
    """The names of columns in a file; None where it lacks one, or has it with another type."""
    if len(set(file.names)) < len(file):
        return None
    stored = {_field_id(column): column for column in file}
    names: dict[int, str] = {}
    for number, asked in columns.items():
        kind = asked.type.value_type if pa.types.is_dictionary(asked.type) else asked.type
        if number not in stored or stored[number].type != kind:
            return None
        names[number] = stored[number].name
    return names
