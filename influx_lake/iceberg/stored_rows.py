"""The rows of a file that is read as it is: no row deleted or left out, every column there, of the table's type."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import FileScanTask, Table

BATCH_ROWS = 65_536
_FIELD_ID = b"PARQUET:field_id"


def stored_rows(
    table: Table, task: FileScanTask, row_filter: BooleanExpression, columns: dict[int, pa.Field]
) -> Generator[pa.RecordBatch, None, bool]:
    """Stream the rows of a file, one row group and one batch at a time.

    pyiceberg's scan decodes many batches ahead of its consumer, in several threads. It is needed for files that other
    engines deleted rows of, that an older schema was written with, or that hold more rows than are asked for.

    Args:
        table: The table.
        task: The file.
        row_filter: Only rows for which it holds.
        columns: Only these columns, by their field ids, in this order; text may be asked for as a dictionary.

    Returns:
        Whether the file could be read this way; if not, nothing came.
    """
    from pyarrow.parquet import ParquetFile, read_metadata

    if not _is_read_whole(table, task, row_filter):
        return False
    with table.io.new_input(task.file.file_path).open() as stream:
        metadata = read_metadata(stream)
        names = _names(metadata.schema.to_arrow_schema(), columns)
        if names is None:
            return False
        encoded = [
            name for name, column in zip(names, columns.values(), strict=True) if pa.types.is_dictionary(column.type)
        ]
        file = ParquetFile(stream, metadata=metadata, read_dictionary=encoded, pre_buffer=False)
        schema = pa.schema(columns.values())
        for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
            yield pa.RecordBatch.from_arrays([batch.column(name) for name in names], schema=schema)
    return True


def _is_read_whole(table: Table, task: FileScanTask, row_filter: BooleanExpression) -> bool:
    from pyiceberg.expressions.visitors import _StrictMetricsEvaluator
    from pyiceberg.manifest import FileFormat

    if task.file.file_format != FileFormat.PARQUET or task.delete_files:
        return False
    return _StrictMetricsEvaluator(table.schema(), row_filter).eval(task.file)


def _names(file: pa.Schema, columns: dict[int, pa.Field]) -> list[str] | None:
    """What the columns are called in a file; None where it does not have all of them as they are asked for."""
    if any(pa.types.is_nested(column.type) for column in file) or len(set(file.names)) < len(file):
        return None
    stored = {int((column.metadata or {}).get(_FIELD_ID, -1)): column for column in file}
    found = [stored.get(number) for number in columns]
    if any(
        one is None or one.type != (asked.type.value_type if pa.types.is_dictionary(asked.type) else asked.type)
        for one, asked in zip(found, columns.values(), strict=True)
    ):
        return None
    return [one.name for one in found if one is not None]
