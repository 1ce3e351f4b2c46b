"""Converts a row filter to a condition that a source can apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from influx_lake.config.values.conditions import (
    All,
    AnyOf,
    Compared,
    Condition,
    IsNull,
    Literal,
    Not,
    Operator,
    not_false,
)
from influx_lake.config.values.source_schema import Column, ColumnType
from influx_lake.config.values.sql_expression import parsed_expression
from influx_lake.transforms.expressions import Expression, resolved_name

_OPERATORS = {
    "COMPARE_EQUAL": Operator.EQUAL,
    "COMPARE_NOTEQUAL": Operator.NOT_EQUAL,
    "COMPARE_LESSTHAN": Operator.LESS,
    "COMPARE_LESSTHANOREQUALTO": Operator.LESS_OR_EQUAL,
    "COMPARE_GREATERTHAN": Operator.GREATER,
    "COMPARE_GREATERTHANOREQUALTO": Operator.GREATER_OR_EQUAL,
}
_TURNED = {
    Operator.LESS: Operator.GREATER,
    Operator.LESS_OR_EQUAL: Operator.GREATER_OR_EQUAL,
    Operator.GREATER: Operator.LESS,
    Operator.GREATER_OR_EQUAL: Operator.LESS_OR_EQUAL,
}
_WHOLE = ("INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT")
_EXACT_IN_FLOAT = 2**53
Tree: TypeAlias = Mapping[str, Any]


def condition_of(
    filter_: Expression, columns: Mapping[str, Column], names: Sequence[str], measurement: str
) -> Condition | None:
    """The condition of a row filter whose parts compare the source's columns with literals; None for other filters.

    Args:
        filter_: The filter.
        columns: The source's columns whose values do not change, by their names in the table.
        names: The names of all columns of the table, to resolve the filter's names.
        measurement: The measurement, for messages.
    """

    def column(name: str) -> Column | None:
        return columns.get(resolved_name(name, names, filter_, measurement))

    return _condition(parsed_expression(filter_.text), column)


def _condition(tree: Tree, column: Callable[[str], Column | None]) -> Condition | None:
    kind = tree.get("type", "")
    found: Condition | None = None
    match tree.get("class"):
        case "CONJUNCTION":
            parts = _known(_condition(part, column) for part in tree["children"])
            if parts is not None:
                found = All(parts) if kind == "CONJUNCTION_AND" else AnyOf(parts)
        case "COMPARISON":
            found = _comparison(tree["left"], _OPERATORS.get(kind), tree["right"], column)
        case "BETWEEN":
            bounds = _known(
                _comparison(tree["input"], operator, tree[end], column)
                for operator, end in ((Operator.GREATER_OR_EQUAL, "lower"), (Operator.LESS_OR_EQUAL, "upper"))
            )
            found = None if bounds is None else All(bounds)
        case "OPERATOR":
            found = _operator(kind, tree["children"], column)
        case "COLUMN_REF":
            named = _column(tree, column)
            is_boolean = named is not None and named.type is ColumnType.BOOLEAN
            found = Compared(named.name, Operator.EQUAL, literal=True) if named is not None and is_boolean else None
    return found


def _operator(kind: str, children: list[Tree], column: Callable[[str], Column | None]) -> Condition | None:
    if kind == "OPERATOR_NOT":
        part = _condition(children[0], column)
        return None if part is None else Not(part)
    if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
        found = _column(children[0], column)
        if found is None:
            return None
        return IsNull(found.name) if kind == "OPERATOR_IS_NULL" else Not(IsNull(found.name))
    if kind in ("COMPARE_IN", "COMPARE_NOT_IN"):
        parts = _known(_comparison(children[0], Operator.EQUAL, each, column) for each in children[1:])
        if parts is None:
            return None
        return AnyOf(parts) if kind == "COMPARE_IN" else Not(AnyOf(parts))
    return _unless_false(children, column) if kind == "OPERATOR_COALESCE" else None


def _unless_false(children: list[Tree], column: Callable[[str], Column | None]) -> Condition | None:
    """`coalesce(..., true)`."""
    part = _condition(children[0], column)
    is_or_true = len(children) == 2 and _literal(children[1], ColumnType.BOOLEAN) is True
    return not_false(part) if part is not None and is_or_true else None


def _known(parts: Iterable[Condition | None]) -> tuple[Condition, ...] | None:
    """All parts; None where a source cannot apply one of them."""
    found = list(parts)
    known = tuple(part for part in found if part is not None)
    return known if known and len(known) == len(found) else None


def _comparison(
    left: Tree, operator: Operator | None, right: Tree, column: Callable[[str], Column | None]
) -> Condition | None:
    if operator is None:
        return None
    if left.get("class") == "CONSTANT":
        left, right, operator = right, left, _TURNED.get(operator, operator)
    found = _column(left, column)
    literal = None if found is None else _literal(right, found.type)
    return None if found is None or literal is None else Compared(found.name, operator, literal)


def _column(tree: Tree, column: Callable[[str], Column | None]) -> Column | None:
    return column(tree["column_names"][0]) if tree.get("class") == "COLUMN_REF" else None


def _literal(tree: Tree, kind: ColumnType) -> Literal | None:
    """A literal of the column's own type; None for others, which SQL would cast."""
    if tree.get("class") == "CAST" and kind is ColumnType.BOOLEAN:
        # DuckDB's parser turns TRUE into CAST('t' AS BOOLEAN).
        inner = tree["child"].get("value", {})
        return {"t": True, "f": False}.get(inner.get("value")) if tree["cast_type"]["id"] == "BOOLEAN" else None
    if tree.get("class") != "CONSTANT" or tree["value"]["is_null"]:
        return None
    value, written = tree["value"]["value"], tree["value"]["type"]["id"]
    made: Literal | None = None
    if kind is ColumnType.STRING and written == "VARCHAR":
        made = str(value)
    elif kind is ColumnType.BOOLEAN and written == "BOOLEAN":
        made = bool(value)
    elif kind in (ColumnType.INTEGER, ColumnType.UINTEGER) and written in _WHOLE and isinstance(value, int):
        made = value
    elif kind is ColumnType.FLOAT:
        made = _float(value, written, tree)
    return made


def _float(value: object, written: str, tree: Tree) -> float | None:
    if written == "DECIMAL" and isinstance(value, int):
        return float(f"{value}e-{tree['value']['type']['type_info']['scale']}")
    is_exact = written in _WHOLE and isinstance(value, int) and abs(value) <= _EXACT_IN_FLOAT
    return float(value) if isinstance(value, int | float) and (written == "DOUBLE" or is_exact) else None
