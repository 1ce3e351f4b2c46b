"""Sample values of a table's columns from its newest rows, deterministic for a given snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.reader import check_readable, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter

if TYPE_CHECKING:
    from pyiceberg.table import Table

_LOOK_BACK = timedelta(days=1)
_MOST_FILES = 4
_MOST_BATCHES = 4
_SHOWN = 5
_CHARACTERS = 60


def samples_of(table: Table, time_column: str, newest: datetime | None, columns: Sequence[str]) -> dict[str, list[str]]:
    """Sample values of each column.

    Args:
        table: The table, with the column names that loads use.
        time_column: The name of the time column.
        newest: The end of its coverage; None where nothing is covered.
        columns: The columns.

    Raises:
        CatalogRefused: The table has deletes that cannot be read.
        StorageError: A file cannot be read.
    """
    if newest is None or not columns:
        return {}
    check_readable(table)
    row_filter = RowFilter.of([Window(newest - _LOOK_BACK, newest)], table, time_column)
    scan = table.scan(row_filter=row_filter.expression(table), selected_fields=tuple(columns))
    with catalog_errors(f"plan a scan of {'.'.join(table.name())}"):
        tasks = sorted(scan.plan_files(), key=lambda task: task.file.file_path)
    found: dict[str, dict[str, None]] = {name: {} for name in columns}
    for batch in islice(read_tasks(table, tasks[:_MOST_FILES], row_filter, scan.projection()), _MOST_BATCHES):
        for name in columns:
            values = found[name]
            for value in _distinct(batch.column(name)):
                if value is not None and len(values) < _SHOWN:
                    values[_text(value)] = None
    return {name: list(values) for name, values in found.items()}


def _distinct(values: pa.Array) -> list[Any]:
    """Distinct values, as Arrow compares them."""
    some = values.slice(0, _SHOWN) if pa.types.is_nested(values.type) else values.unique()
    found: list[Any] = some.to_pylist()
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix("+00:00")
    if isinstance(value, list):
        value = ", ".join(f"{key}={each}" for key, each in value)
    text = str(value)
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"
