"""Conditions in InfluxDB 3's SQL, as far as they mean there what they mean in `config.values.conditions`.

DataFusion compares floats in the total order of IEEE 754, in which -0.0 is less than 0.0; InfluxDB has no NaN. So both
zeros are compared with, each where it decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Literal, Not, Operator
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema
from influx_lake.sources.influxdb3.sql import identifier, literal

_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_EXACT_IN_FLOATS = range(-(2**53), 2**53 + 1)
_SAME = {Operator.EQUAL, Operator.NOT_EQUAL}


def takes(schema: MeasurementSchema, condition: Condition) -> bool:
    """Whether the server decides a condition as it is meant."""
    match condition:
        case Compared():
            column = schema.column(condition.column)
            return column is not None and _compares(column, condition)
        case IsNull():
            column = schema.column(condition.column)
            return column is not None and column.type is not ColumnType.TIME
        case Not():
            return takes(schema, condition.part)
        case All() | AnyOf():
            return all(takes(schema, part) for part in condition.parts)


def row_condition(schema: MeasurementSchema) -> str | None:
    """What has to be true for a row that is wanted, as an expression; None where all are.

    Raises:
        ValueError: `where` is a condition that is not taken.
    """
    parts = []
    if schema.needs_a_field:
        parts.append(_joined(" OR ", [f"{identifier(name)} IS NOT NULL" for name in schema.fields]))
    if schema.where is not None:
        if not takes(schema, schema.where):
            raise ValueError(f"the condition cannot be said exactly: {schema.where}")
        types = {column.name: column.type for column in (*schema.columns, *schema.left_out)}
        parts.append(_expression(schema.where, types))
    return " AND ".join(parts) or None


def _compares(column: Column, condition: Compared) -> bool:
    value = condition.literal
    match column.type:
        case ColumnType.STRING:
            return isinstance(value, str)
        case ColumnType.BOOLEAN:
            return isinstance(value, bool) and condition.operator in _SAME
        case ColumnType.INTEGER:
            return type(value) is int and value in _INT64
        case ColumnType.UINTEGER:
            return type(value) is int and value in _UINT64
        case ColumnType.FLOAT:
            return (type(value) is int and value in _EXACT_IN_FLOATS) or (
                isinstance(value, float) and math.isfinite(value)
            )
    return False


def _expression(condition: Condition, types: Mapping[str, ColumnType]) -> str:
    match condition:
        case Compared():
            return _comparison(condition, types[condition.column])
        case IsNull():
            return f"{identifier(condition.column)} IS NULL"
        case Not():
            return f"NOT ({_expression(condition.part, types)})"
        case All():
            return _joined(" AND ", [_expression(part, types) for part in condition.parts]) or "true"
        case AnyOf():
            return _joined(" OR ", [_expression(part, types) for part in condition.parts]) or "false"


def _joined(word: str, parts: list[str]) -> str:
    return f"({word.join(parts)})" if len(parts) > 1 else "".join(parts)


def _comparison(condition: Compared, kind: ColumnType) -> str:
    name, operator = identifier(condition.column), condition.operator
    if kind is not ColumnType.FLOAT or condition.literal != 0:
        return f"{name} {operator} {_literal(condition.literal, kind)}"
    low, high = _literal(-0.0, kind), _literal(0.0, kind)
    match operator:
        case Operator.EQUAL:
            return f"({name} >= {low} AND {name} <= {high})"
        case Operator.NOT_EQUAL:
            return f"({name} < {low} OR {name} > {high})"
        case Operator.LESS | Operator.GREATER_OR_EQUAL:
            return f"{name} {operator} {low}"
        case Operator.LESS_OR_EQUAL | Operator.GREATER:
            return f"{name} {operator} {high}"


def _literal(value: Literal, kind: ColumnType) -> str:
    """A value as one of a column's type."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    match kind:
        case ColumnType.FLOAT:
            return f"CAST('{float(value)!r}' AS DOUBLE)"
        case ColumnType.UINTEGER:
            return f"CAST('{value}' AS BIGINT UNSIGNED)"
    # The lowest integer without its sign is none.
    return str(value) if value > _INT64[0] else f"CAST('{value}' AS BIGINT)"
