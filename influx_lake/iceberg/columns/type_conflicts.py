"""Decides where values go whose column has another type in the table (`on_type_conflict`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from influx_lake.config import OnTypeConflict, SchemaEvolution
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.columns.promotion import holds, is_promotion
from influx_lake.iceberg.columns.row_mapping import Misfit, Shape, ShapedColumn
from influx_lake.iceberg.columns.schema import iceberg_type
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType


def settled(shape: Shape, table: Schema, target: TableTarget) -> Shape:
    """Resolve type conflicts as `on_type_conflict` says; with `fail` they stay in the shape.

    Args:
        shape: The mapping of the rows, before it is compared with the table's types.
        table: The table's schema.
        target: The table as lake.yaml describes it.

    Raises:
        SchemaConflict: Another column has the name that `new_column` gives.
    """
    policy = target.types.on_type_conflict
    there = {column.name: column.field_type for column in table.fields}
    unfit = [column for column in shape.columns if _is_unfit(column, there, target)]
    if not unfit or policy is OnTypeConflict.FAIL:
        return shape
    if policy is OnTypeConflict.NEW_COLUMN:
        return replace(shape, columns=_beside(shape, unfit, target))
    misfits = tuple(Misfit(column.source, described(column.name, column, there)) for column in unfit)
    kept = tuple(column for column in shape.columns if column not in unfit)
    return replace(shape, columns=kept, misfits=(*shape.misfits, *misfits))


def described(name: str, column: ShapedColumn, there: dict[str, IcebergType]) -> str:
    """Describe a conflict, for messages."""
    return f"{name!r} is {iceberg_type(column.type)} in the source and {there[name]} in the table"


def _is_unfit(column: ShapedColumn, there: dict[str, IcebergType], target: TableTarget) -> bool:
    if column.source == target.time_column or column.name not in there:
        return False
    kind = iceberg_type(column.type)
    widens = target.schema_evolution is SchemaEvolution.FULL and is_promotion(there[column.name], kind)
    return not widens and not holds(there[column.name], kind)


def _beside(shape: Shape, unfit: list[ShapedColumn], target: TableTarget) -> tuple[ShapedColumn, ...]:
    moved = {column.name: _moved(column) for column in unfit}
    taken = {column.name: column.source for column in shape.columns}
    for column in moved.values():
        if column.name in taken:
            raise SchemaConflict(
                f"the values of {column.source!r} belong into a new column {column.name!r} of {target.name}, and the "
                f"source's column {taken[column.name]!r} has that name",
                remedy="Set on_type_conflict: quarantine, or give the measurement another table (`table:`)",
            )
    return tuple(moved.get(column.name, column) for column in shape.columns)


def _moved(column: ShapedColumn) -> ShapedColumn:
    word = str(iceberg_type(column.type)).partition("(")[0]
    doc = f"{column.source!r} in the source, where it is a {word}"
    return replace(column, name=f"{column.name}__{word}", doc=doc)
