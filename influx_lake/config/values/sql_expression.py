"""Validates SQL expressions of lake.yaml with DuckDB's parser, without rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from influx_lake.config.report.diagnostics import suggestion

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
    "POSITIONAL_REFERENCE": "holds the number of a column (#1): write its name",
    "LAMBDA": "is a function, and not a condition over the columns of a row",
}
_UNSTABLE = frozenset({"age", "current_setting", "getenv", "getvariable", "vector_type", "version"})
"""Functions with values that depend on more than their arguments, which DuckDB (1.5) does not mark as such; `age` with
one argument uses the current date.
"""
_OF_THE_SESSION = ("current_", "pg_")
"""Prefixes of functions about the session or server."""
_CURRENT = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
_SHOWN = 80
_SELECT = "SELECT "


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """A reference to a column in an expression.

    Attributes:
        name: The column's name as written.
        start: The start of the name, a byte offset in the expression.
        end: The end, likewise.
    """

    name: str
    start: int
    end: int


def check_condition(condition: str) -> str:
    """Check the syntax of a condition with DuckDB, where it is installed; column names are checked with the rows.

    Raises:
        ValueError: It is not a single scalar expression.
    """
    if find_spec("duckdb") is None:
        return condition
    expression = _checked(condition)
    if not any(part.get("class") == "COLUMN_REF" for part in _parts(expression)):
        raise ValueError("names no column: it says the same of every row")
    return condition


def check_value(expression: str) -> str:
    """As `check_condition`, for an expression whose value is stored: it must be deterministic.

    Raises:
        ValueError: It is not a single scalar expression, or not deterministic.
    """
    if find_spec("duckdb") is None:
        return expression
    for part in _parts(_checked(expression)):
        _check_stable(part, expression)
    return expression


def check_row_filter(condition: str) -> str:
    """As `check_value`, for a condition of the rows to store.

    Raises:
        ValueError: See `check_condition` and `check_value`.
    """
    check_value(condition)
    return check_condition(condition)


def column_references(expression: str) -> tuple[ColumnReference, ...]:
    """The references to columns in a valid expression, in order; empty where DuckDB is not installed."""
    if find_spec("duckdb") is None:
        return ()
    before = len(_SELECT)
    parts = [part for part in _parts(parsed_expression(expression)) if part.get("class") == "COLUMN_REF"]
    found = []
    for part in parts:
        name, start = part["column_names"][0], int(part["query_location"]) - before
        quoted = expression.encode()[start : start + 1] == b'"'
        written = f'"{name.replace(chr(34), chr(34) * 2)}"' if quoted else name
        found.append(ColumnReference(name, start, start + len(written.encode())))
    # `CASE a WHEN 1 ... WHEN 2 ...` has the one a in its tree for each WHEN.
    return tuple(sorted(set(found), key=lambda each: each.start))


def parsed_expression(expression: str) -> dict[str, Any]:
    """The syntax tree of a valid expression, from DuckDB's `json_serialize_sql`.

    Raises:
        ValueError: It is not one expression.
    """
    return _expression(_parsed(expression))


def _checked(text: str) -> dict[str, Any]:
    plain = _TEXTS.sub("''", text)
    if "--" in plain or "/*" in plain:
        raise ValueError("holds a comment: leave it out")
    if ";" in plain:
        raise ValueError("holds a semicolon: write one expression")
    # Bare, and in brackets as it is judged: `a) OR (b` is right in one of them only.
    expression = _expression(_parsed(text))
    _expression(_parsed(f"({text}\n)"))
    for part in _parts(expression):
        _check_part(part, is_all=part is expression)
    return expression


def _check_stable(part: dict[str, Any], text: str) -> None:
    kind = part.get("class", "")
    if kind == "LAMBDA":
        raise ValueError("holds a function of its own (x -> ...): write an expression over the columns of the row")
    if kind == "COLUMN_REF":
        names = part["column_names"]
        if len(names) > 1:
            written = ".".join(names)
            raise ValueError(f'names {written}, a column of a table: put a name with dots in quotes, as in "{written}"')
        if names[0].lower() in _CURRENT and f'"{names[0]}"' not in text:
            raise ValueError(
                f"depends on when it is loaded ({names[0]}): the same row would have another value each time"
            )
    if kind != "FUNCTION":
        return
    name = str(part.get("function_name", "")).lower()
    is_age_of_now = name == "age" and len(part.get("children", ())) > 1
    is_unstable = name in _unstable() or name in _macros_of(_unstable()) or name.startswith(_OF_THE_SESSION)
    if is_unstable and not is_age_of_now:
        raise ValueError(f"depends on more than the row ({name}): a row would have another value each time")
    if name not in _functions() and not part.get("is_operator"):
        guess = suggestion(name, sorted(_functions()))
        raise ValueError(f"calls {name}, which DuckDB does not have{guess}")


def _parsed(expression: str) -> dict[str, Any]:
    [(text,)] = _parser().cursor().execute("SELECT json_serialize_sql(?)", [f"{_SELECT}{expression}"]).fetchall()
    tree: dict[str, Any] = json.loads(text)
    if tree["error"]:
        reason = re.sub(r"\s+", " ", str(tree["error_message"]))[:_SHOWN]
        raise ValueError(f"is not a SQL condition, such as `used <= total` (DuckDB: {reason})")
    return tree


def _expression(tree: dict[str, Any]) -> dict[str, Any]:
    """The syntax tree of the single expression.

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
        raise ValueError(f"gives itself the name {expression['alias'][:_SHOWN]!r}: leave that out")
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
    """Yield an expression and all its sub-expressions."""
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
def _functions() -> frozenset[str]:
    found = (
        _parser()
        .cursor()
        .execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'aggregate', 'macro')"
        )
    )
    return frozenset(name.lower() for (name,) in found.fetchall())


@cache
def _unstable() -> frozenset[str]:
    found = _parser().cursor().execute("SELECT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'")
    return _UNSTABLE | {name for (name,) in found.fetchall()}


@cache
def _macros_of(functions: frozenset[str]) -> frozenset[str]:
    """The macros that call one of these functions, directly or not."""
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
