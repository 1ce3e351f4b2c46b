"""SQL conditions, as far as they can be judged without the rows they are for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

_TEXTS = re.compile(r"[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_CALL = re.compile(r"(\w+)\(")
_ROW_MAKERS = frozenset({"unnest", "unlist"})
_CLAUSES = ("where_clause", "group_expressions", "group_sets", "having", "sample", "qualify", "modifiers")
_REFUSED = {
    "SUBQUERY": "holds a query of its own: a condition sees the columns of one row",
    "WINDOW": "holds a window function: a condition sees the columns of one row",
    "STAR": "holds a *: name the columns",
    "PARAMETER": "holds a parameter (? or $1): write its value",
    "DEFAULT": "holds DEFAULT: write a value",
    "LAMBDA": "is a function, and not a condition over the columns of a row",
}
_SHOWN = 80


def check_condition(condition: str) -> str:
    """Let DuckDB parse the condition, where it is installed; columns are known only when rows are there.

    Raises:
        ValueError: The text is not one expression with one value for each row.
    """
    if find_spec("duckdb") is None:
        return condition
    plain = _TEXTS.sub("''", condition)
    if "--" in plain or "/*" in plain:
        raise ValueError("holds a comment: leave it out, a `name` says what the rule is for")
    if ";" in plain:
        raise ValueError("holds a semicolon: write one condition")
    # Bare, and in brackets as it is judged: `a) OR (b` is right in one of them only.
    expression = _expression(_parsed(condition))
    _expression(_parsed(f"({condition}\n)"))
    for part in _parts(expression):
        _check_part(part, is_all=part is expression)
    if not any(part.get("class") == "COLUMN_REF" for part in _parts(expression)):
        raise ValueError("names no column: it says the same of every row")
    return condition


def _parsed(expression: str) -> dict[str, Any]:
    [(text,)] = _parser().cursor().execute("SELECT json_serialize_sql(?)", [f"SELECT {expression}"]).fetchall()
    tree: dict[str, Any] = json.loads(text)
    if tree["error"]:
        reason = re.sub(r"\s+", " ", str(tree["error_message"]))[:_SHOWN]
        raise ValueError(f"is not a SQL condition, such as `used <= total` (DuckDB: {reason})")
    return tree


def _expression(tree: dict[str, Any]) -> dict[str, Any]:
    """The one expression that was written.

    Raises:
        ValueError: It is not one, or more than an expression.
    """
    node = tree["statements"][0]["node"]
    if len(tree["statements"]) > 1 or node["type"] != "SELECT_NODE" or len(node["select_list"]) != 1:
        raise ValueError("is more than one expression: give each condition a rule of its own")
    if node["from_table"]["type"] != "EMPTY" or any(node.get(clause) for clause in _CLAUSES):
        raise ValueError("is a part of a query: write an expression over the columns alone, such as `used <= total`")
    expression: dict[str, Any] = node["select_list"][0]
    if expression.get("alias"):
        raise ValueError(f"gives itself the name {expression['alias'][:_SHOWN]!r}: that is what `name` is for")
    return expression


def _check_part(part: dict[str, Any], *, is_all: bool) -> None:
    kind = part.get("class", "")
    if kind in _REFUSED and (kind != "LAMBDA" or is_all):
        raise ValueError(_REFUSED[kind])
    if part.get("type") == "GROUPING_FUNCTION":
        raise ValueError("counts rows together: a condition sees the columns of one row")
    name = str(part.get("function_name", "")).lower() if kind == "FUNCTION" else ""
    if name in _ROW_MAKERS or name in _macros_of(_ROW_MAKERS):
        raise ValueError(f"makes several rows of one ({name}): a condition has one value for each row")
    if name and (name in _aggregates() or name in _macros_of(_aggregates())):
        raise ValueError(f"counts rows together ({name}): a condition sees the columns of one row")


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """An expression and everything in it."""
    waiting = [node]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            if "class" in inner:
                yield inner
            waiting += inner.values()
        elif isinstance(inner, list):
            waiting += inner


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    import duckdb

    closed: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "threads": 1,
    }
    return duckdb.connect(":memory:", config=closed)


@cache
def _aggregates() -> frozenset[str]:
    found = _parser().cursor().execute("SELECT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'")
    return frozenset(name for (name,) in found.fetchall())


@cache
def _macros_of(functions: frozenset[str]) -> frozenset[str]:
    """The macros that call one of these functions, also by way of others."""
    macros = (
        _parser()
        .cursor()
        .execute("SELECT function_name, macro_definition FROM duckdb_functions() WHERE function_type = 'macro'")
    )
    calls = [(name, {each.lower() for each in _CALL.findall(text or "")}) for name, text in macros.fetchall()]
    found: set[str] = set()
    while new := {name for name, called in calls if called & (functions | found)} - found:
        found |= new
    return frozenset(found)
