"""Finds changes of columns by other tools that may stop loads or leave values null, from a table's metadata alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.config.values.source_schema import TIME
from influx_lake.iceberg.columns.known_columns import Ids, actual, holds_rows, remembered
from influx_lake.iceberg.columns.promotion import holds

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.types import IcebergType


def column_changes(table: Table, time_column: str = TIME) -> list[str]:
    """Describe changes of a table's columns by other tools that loads cannot follow; renames alone are not among them.

    Whether a load stops depends on the source: it may lack a column that was dropped from the table.

    Args:
        table: The table.
        time_column: The name by which loads know the time column.
    """
    table = actual(table)
    known, fields = remembered(table) or {}, table.metadata.schema().fields
    names = {field.field_id: field.name for field in fields}
    kinds = {field.name: field.field_type for field in fields}
    loads = {number: name for name, number in known.items()}
    found = []
    if known.get(time_column, -1) not in names and time_column not in kinds and holds_rows(table):
        found.append(f"there is no column {time_column!r}, which places rows in windows")
    dropped = {name: number for name, number in known.items() if number not in names}
    gone = [name for name in dropped if name not in kinds and name != time_column]
    if gone:
        found.append(f"dropped, so that loads stop where the source has them: {_listed(gone)}")
    found += _made_again(table, dropped, kinds)
    added = {field.name for field in fields if field.field_id not in loads}
    found += [
        f"{name!r} was renamed {names[number]!r}, and another column is called {name!r} now, so that loads stop"
        for name, number in known.items()
        if number in names and names[number] != name and name in added
    ]
    required = [
        name for field in fields if field.required and (name := loads.get(field.field_id, field.name)) != time_column
    ]
    if required:
        found.append(f"required, so that loads stop, for points may lack them: {_listed(required)}")
    return found


def _made_again(table: Table, dropped: Ids, kinds: dict[str, IcebergType]) -> list[str]:
    """Describe columns that were dropped, and whose name another column has now."""
    again = {name: number for name, number in dropped.items() if name in kinds}
    if not again:
        return []
    schemas = sorted(table.metadata.schemas, key=lambda schema: schema.schema_id)
    was = {field.field_id: field.field_type for schema in schemas for field in schema.fields}
    other = [
        f"{name!r} is {kinds[name]}, and was {was[number]}"
        for name, number in again.items()
        if number in was and not holds(kinds[name], was[number])
    ]
    same = [name for name, number in again.items() if number not in was or holds(kinds[name], was[number])]
    found = [f"dropped and added with another type: {', '.join(other)}"] if other else []
    if same:
        found.append(f"dropped and added, so that they are null in the rows of before: {_listed(same)}")
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))
