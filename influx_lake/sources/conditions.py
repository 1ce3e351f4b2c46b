"""Row conditions that sources evaluate, so that unwanted rows are not transferred."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Not, Operator
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema
from influx_lake.sources.protocol import Source

_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_EXACT_IN_FLOATS = range(-(2**53), 2**53 + 1)
_IN_A_ROW = 16
_SAME = {Operator.EQUAL, Operator.NOT_EQUAL}
_OPPOSITES = {
    Operator.EQUAL: Operator.NOT_EQUAL,
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.LESS: Operator.GREATER_OR_EQUAL,
    Operator.GREATER_OR_EQUAL: Operator.LESS,
    Operator.GREATER: Operator.LESS_OR_EQUAL,
    Operator.LESS_OR_EQUAL: Operator.GREATER,
}


@runtime_checkable
class TakesConditions(Protocol):
    """A source that evaluates some conditions."""

    def takes(self, schema: MeasurementSchema, condition: Condition) -> bool:
        """Whether `read` can be given a condition: the source evaluates it exactly.

        Args:
            schema: The columns; the condition may also use columns that are left out.
            condition: The condition.

        Raises:
            SourceError: The server has to be asked, and fails.
        """
        ...


def takes(source: Source, schema: MeasurementSchema, condition: Condition) -> bool:
    """Whether a source can be given a condition.

    Raises:
        SourceError: The server has to be asked, and fails.
    """
    return isinstance(source, TakesConditions) and source.takes(schema, condition)


def is_exact(schema: MeasurementSchema, condition: Condition) -> bool:
    """Whether each literal has the type of the column that it is compared with, so that nothing is rounded.

    Args:
        schema: The columns; the condition may also use columns that are left out.
        condition: The condition.
    """
    match condition:
        case Compared():
            column = schema.column(condition.column)
            return column is not None and _compares(column, condition)
        case IsNull():
            column = schema.column(condition.column)
            return column is not None and column.type is not ColumnType.TIME
        case Not():
            return is_exact(schema, condition.part)
        case All() | AnyOf():
            return all(is_exact(schema, part) for part in condition.parts)


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


def joined(word: str, parts: Sequence[str]) -> str:
    """Join expressions by an operator, in parentheses where there are several; many as a balanced tree.

    Servers limit how deeply expressions are nested, and each operator of a chain is a level (Flux 0.195 allows about
    200).
    """
    if len(parts) <= _IN_A_ROW:
        return f"({word.join(parts)})" if len(parts) > 1 else "".join(parts)
    half = len(parts) // 2
    return f"({joined(word, parts[:half])}{word}{joined(word, parts[half:])})"


def joined_if_all(word: str, parts: Sequence[str | None]) -> str | None:
    """Join expressions by an operator; None where one of them is None, or there are none."""
    said = [part for part in parts if part is not None]
    return joined(word, said) if said and len(said) == len(parts) else None


def without_not(condition: Condition) -> Condition:
    """An equivalent condition in which only `IsNull` is negated.

    A null part makes neither a condition nor its negation true, so `NOT (a = 1)` is true where `a <> 1` is.
    """
    match condition:
        case Compared() | IsNull():
            return condition
        case All():
            return All(tuple(map(without_not, condition.parts)))
        case AnyOf():
            return AnyOf(tuple(map(without_not, condition.parts)))
        case Not():
            return _opposite(condition.part)


def _opposite(condition: Condition) -> Condition:
    match condition:
        case Compared():
            return Compared(condition.column, _OPPOSITES[condition.operator], condition.literal)
        case IsNull():
            return Not(condition)
        case All():
            return AnyOf(tuple(map(_opposite, condition.parts)))
        case AnyOf():
            return All(tuple(map(_opposite, condition.parts)))
        case Not():
            return without_not(condition.part)
