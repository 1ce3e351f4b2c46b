"""Applies projections and conditions to rows with Arrow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Not, Operator
from influx_lake.config.values.source_schema import ColumnType, MeasurementSchema
from influx_lake.sources.arrow_types import ARROW_TYPES

_Rows = TypeVar("_Rows", pa.RecordBatch, pa.Table)

_COMPARISONS = {
    Operator.EQUAL: eq,
    Operator.NOT_EQUAL: ne,
    Operator.LESS: lt,
    Operator.LESS_OR_EQUAL: le,
    Operator.GREATER: gt,
    Operator.GREATER_OR_EQUAL: ge,
}


def with_a_field(rows: _Rows, schema: MeasurementSchema) -> _Rows:
    """The rows that have a value of a selected field: points without any are not rows."""
    if not schema.needs_a_field:
        return rows
    have = reduce(pc.or_, (pc.is_valid(rows.column(rows.schema.get_field_index(name))) for name in schema.fields))
    return rows if pc.all(have, min_count=0).as_py() else rows.filter(have)


def has_a_field(schema: MeasurementSchema, held: Collection[str]) -> pc.Expression:
    """An expression for whether a row has a value of a selected field.

    Args:
        schema: The fields.
        held: The existing columns; others have no values.
    """
    return reduce(or_, (pc.field(name).is_valid() for name in schema.fields if name in held), pc.scalar(False))


def arrow_condition(condition: Condition, types: Mapping[str, ColumnType], held: Collection[str]) -> pc.Expression:
    """A condition as an expression. Null follows its logic; rows for which it is null are not selected.

    Args:
        condition: The condition, for which `is_exact` must hold.
        types: The types of the columns that it uses.
        held: The existing columns; others have no values.
    """
    match condition:
        case Compared(name, operator, literal):
            if name not in held:
                return pc.scalar(pa.scalar(None, pa.bool_()))
            return _COMPARISONS[operator](pc.field(name), pa.scalar(literal, ARROW_TYPES[types[name]]))
        case IsNull(name):
            return pc.field(name).is_null() if name in held else pc.scalar(True)
        case Not(part):
            return ~arrow_condition(part, types, held)
        case All(parts):
            return reduce(and_, (arrow_condition(part, types, held) for part in parts), pc.scalar(True))
        case AnyOf(parts):
            return reduce(or_, (arrow_condition(part, types, held) for part in parts), pc.scalar(False))
