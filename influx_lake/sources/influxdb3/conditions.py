"""Converts conditions to InfluxDB 3's SQL, which can express all with exact literals.

DataFusion compares floats in the total order of IEEE 754, where -0.0 is less than 0.0 (versions 43 to 54; 55 does not),
and servers have older versions too. So a comparison with zero uses both zeros. InfluxDB has no NaN.
"""

from __future__ import annotations

from collections.abc import Mapping

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Literal, Not, Operator
from influx_lake.config.values.source_schema import ColumnType, MeasurementSchema
from influx_lake.sources.conditions import is_exact, joined
from influx_lake.sql_quoting import identifier, text_literal

_LOWEST_INTEGER = -(2**63)


def row_condition(schema: MeasurementSchema) -> str | None:
    """The condition on rows, as an expression; None where all rows are read.

    Raises:
        ValueError: `where` is not exact; see `is_exact`.
    """
    parts = []
    if schema.needs_a_field:
        parts.append(joined(" OR ", [f"{identifier(name)} IS NOT NULL" for name in schema.fields]))
    if schema.where is not None:
        if not is_exact(schema, schema.where):
            raise ValueError(f"the condition cannot be expressed exactly: {schema.where}")
        parts.append(_expression(schema.where, schema.types))
    return " AND ".join(parts) or None


def _expression(condition: Condition, types: Mapping[str, ColumnType]) -> str:
    match condition:
        case Compared():
            return _comparison(condition, types[condition.column])
        case IsNull():
            return f"{identifier(condition.column)} IS NULL"
        case Not():
            return f"NOT ({_expression(condition.part, types)})"
        case All():
            return joined(" AND ", [_expression(part, types) for part in condition.parts]) or "true"
        case AnyOf():
            return joined(" OR ", [_expression(part, types) for part in condition.parts]) or "false"


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
    """A literal of the column's type."""
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    match kind:
        case ColumnType.FLOAT:
            return f"CAST('{float(value)!r}' AS DOUBLE)"
        case ColumnType.UINTEGER:
            return f"CAST('{value}' AS BIGINT UNSIGNED)"
    # The lowest integer without its sign exceeds the type.
    return str(value) if value > _LOWEST_INTEGER else f"CAST('{value}' AS BIGINT)"
