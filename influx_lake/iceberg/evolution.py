"""What has to change in a table before rows fit it, or why they never will."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import SchemaEvolution
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.schema import iceberg_type
from influx_lake.iceberg.shape import Shape
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.types import IcebergType

LONG_DIGITS = 19


def missing_columns(shape: Shape, table: Table, target: TableTarget) -> list[pa.Field]:
    """The columns that the table has to get.

    Raises:
        SchemaConflict: A column has another type in the table, or is new where `schema_evolution` is `strict`.
    """
    there = {column.name: column.field_type for column in table.schema().fields}
    _check_types(shape, there, target)
    new = [column for column in shape.schema if column.name not in there]
    if new and target.schema_evolution is SchemaEvolution.STRICT and not _is_first_load(new, table, target):
        raise SchemaConflict(
            f"the source has columns that {target.name} does not have: {', '.join(map(_described(target), new))}",
            remedy="Add them to the table, or set schema_evolution: add_columns",
        )
    return new


def holds(there: IcebergType, here: IcebergType) -> bool:
    """Whether a column of the type `there` holds every value of the type `here`."""
    from pyiceberg.types import DecimalType, DoubleType, FloatType, IntegerType, LongType

    if here == there:
        return True
    if isinstance(there, DecimalType) and isinstance(here, DecimalType):
        return here.scale == there.scale and here.precision <= there.precision
    if isinstance(there, DecimalType) and isinstance(here, LongType | IntegerType):
        return there.scale == 0 and there.precision >= LONG_DIGITS
    return (type(here), type(there)) in {(IntegerType, LongType), (FloatType, DoubleType)}


def _check_types(shape: Shape, there: dict[str, IcebergType], target: TableTarget) -> None:
    conflicts = [
        f"{column.name!r} is {here} in the source and {there[column.name]} in the table"
        for column in shape.schema
        if column.name in there and not holds(there[column.name], here := iceberg_type(column.type))
    ]
    if not conflicts:
        return
    time = there.get(target.time_column)
    if time is not None and str(time) in ("timestamp", "timestamptz") and str(time) != target.types.time_type:
        raise SchemaConflict(
            f"the time of {target.name} is a {time}, and time_type asks for a {target.types.time_type}",
            remedy=f"Set time_type: {time} for this measurement, or give it another table (`table:`)",
        )
    raise SchemaConflict(
        f"the table {target.name} cannot take the source's types: {'; '.join(conflicts)}",
        remedy="Give the measurement another table (`table:` in lake.yaml), or drop the table and load it again",
    )


def _is_first_load(new: list[pa.Field], table: Table, target: TableTarget) -> bool:
    """Whether only the nanoseconds are missing from a table that nothing was loaded into."""
    added = {column.name for column in new}
    return table.current_snapshot() is None and added == {target.types.nanoseconds_column}


def _described(target: TableTarget) -> Callable[[pa.Field], str]:
    def described(column: pa.Field) -> str:
        is_nanoseconds = target.with_nanoseconds and column.name == target.types.nanoseconds_column
        return f"{column.name} (for times finer than a microsecond)" if is_nanoseconds else column.name

    return described
