"""Conditions in InfluxQL, as far as they mean the same there as in `config.values.conditions`.

To InfluxQL a missing tag is an empty string, which no tag can be; a missing field fails every comparison. It has no
`NOT`, no `IS NULL` for fields, no order of strings and no exponents. Observed with InfluxDB 1.6, 1.8 and 2.7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Literal, Not, Operator
from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.sources.conditions import joined_if_all, without_not
from influx_lake.sources.influxql.statements import CASTS, Selected, text

_WORDS = {Operator.NOT_EQUAL: "!="}
_SAME = {Operator.EQUAL, Operator.NOT_EQUAL}
# The lowest integer cannot be written, and an unsigned one of 2^64 - 1 is equal to -1.
_INTEGERS = {
    CASTS[ColumnType.INTEGER]: range(-(2**63) + 1, 2**63),
    CASTS[ColumnType.UINTEGER]: range(2**64),
}
_EXACT_IN_FLOATS = range(-(2**53), 2**53 + 1)


def expression(condition: Condition, columns: Mapping[str, Selected]) -> str | None:
    """A condition in InfluxQL; None if it cannot be expressed exactly.

    Args:
        condition: The condition.
        columns: The tag or field of each column that is derived from only one.
    """
    return _expression(without_not(condition), columns)


def _expression(condition: Condition, columns: Mapping[str, Selected]) -> str | None:
    match condition:
        case Compared():
            return _comparison(condition, columns.get(condition.column))
        case IsNull():
            return _missing(columns.get(condition.column), "=")
        case Not(IsNull(column)):
            return _missing(columns.get(column), "!=")
        case All():
            return joined_if_all(" AND ", [_expression(part, columns) for part in condition.parts])
        case AnyOf():
            return joined_if_all(" OR ", [_expression(part, columns) for part in condition.parts])
    return None


def _missing(of: Selected | None, operator: str) -> str | None:
    return f"{of} {operator} ''" if of is not None and of.cast == "tag" and of.name != TIME else None


def _comparison(condition: Compared, of: Selected | None) -> str | None:
    # `time` always refers to the time, whatever its cast.
    if of is None or of.name == TIME or (literal := _literal(of.cast, condition)) is None:
        return None
    clause = f"{of} {_WORDS.get(condition.operator, condition.operator)} {literal}"
    if of.cast == "tag" and condition.operator is Operator.NOT_EQUAL:
        return f"({clause} AND {of} != '')"
    return clause


def _literal(cast: str, condition: Compared) -> str | None:
    value, same = condition.literal, condition.operator in _SAME
    if cast == "tag":
        return text(value) if isinstance(value, str) and value and same else None
    if cast == CASTS[ColumnType.STRING]:
        return text(value) if isinstance(value, str) and same else None
    if cast == CASTS[ColumnType.BOOLEAN]:
        return str(value).lower() if isinstance(value, bool) and same else None
    if cast == CASTS[ColumnType.FLOAT]:
        return _float(value)
    return str(value) if type(value) is int and value in _INTEGERS[cast] else None


def _float(value: Literal) -> str | None:
    if type(value) is int and value in _EXACT_IN_FLOATS:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        digits = format(Decimal(repr(value)), "f")
        return digits if "." in digits else f"{digits}.0"
    return None
