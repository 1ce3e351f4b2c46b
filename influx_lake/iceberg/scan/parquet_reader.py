"""Reads files directly that have every column with the table's type, and no deleted rows."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.scan.row_filter import Bounds, RowFilter

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetSchema, RowGroupMetaData
    from pyiceberg.table import FileScanTask, Table

BATCH_ROWS = 16_384
_FIELD_ID = b"PARQUET:field_id"


def stored_rows(
    table: Table, task: FileScanTask, wanted: RowFilter | None, columns: dict[int, pa.Field]
) -> Generator[pa.RecordBatch, None, bool]:
    """Stream the rows of a file, one row group and one batch at a time.

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
    from pyarrow.parquet import ParquetFile, read_metadata
    from pyiceberg.manifest import FileFormat

    if task.file.file_format != FileFormat.PARQUET or task.delete_files:
        return False
    needed, wanted = columns, wanted.within(table, task.file) if wanted is not None else None
    time_id, share_id = 0, 0
    if wanted is not None and wanted.windows is not None:
        time_id, time = _time(table, wanted)
        needed = {time_id: time, **needed}
    if wanted is not None and wanted.share is not None:
        share_id = table.schema().find_field(wanted.share.column).field_id
        needed = {share_id: pa.field(wanted.share.column, pa.string()), **needed}
    with table.io.new_input(task.file.file_path).open() as stream:
        metadata = read_metadata(stream)
        stored = metadata.schema.to_arrow_schema()
        names = _names(stored, needed)
        if names is None:
            return False
        encoded = [names[each] for each, column in columns.items() if pa.types.is_dictionary(column.type)]
        file = ParquetFile(stream, metadata=metadata, read_dictionary=encoded, pre_buffer=False)
        groups = list(range(metadata.num_row_groups))
        if wanted is not None and wanted.windows is not None:
            place = _leaf(metadata.schema, names[time_id])
            groups = [each for each in groups if not wanted.holds_none(_bounds(metadata.row_group(each), place))]
        schema = pa.schema(columns.values())
        for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=list(names.values()), use_threads=False):
            rows = pa.RecordBatch.from_arrays([batch.column(names[each]) for each in columns], schema=schema)
            if wanted is not None and wanted.is_needed:
                times, values = (batch.column(names[each]) if each else None for each in (time_id, share_id))
                rows = wanted.sift(rows, times, values)
            if len(rows):
                yield rows
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


def _names(file: pa.Schema, columns: dict[int, pa.Field]) -> dict[int, str] | None:
    """The names of columns in a file; None where it lacks one, or has it with another type."""
    if len(set(file.names)) < len(file):
        return None
    stored = {int((column.metadata or {}).get(_FIELD_ID, -1)): column for column in file}
    names: dict[int, str] = {}
    for number, asked in columns.items():
        kind = asked.type.value_type if pa.types.is_dictionary(asked.type) else asked.type
        if number not in stored or stored[number].type != kind:
            return None
        names[number] = stored[number].name
    return names
