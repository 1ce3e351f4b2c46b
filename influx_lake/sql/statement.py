"""Parses a statement with DuckDB's parser: whether it only reads, and which tables it names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influx_lake.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

_ONLY_QUERIES = "Write one SELECT, with WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES or EXPLAIN if you like"
_NEAR = re.compile(r'syntax error at or near "(\w+)"')
_COMMENT = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_EXPLAIN = re.compile(rf"{_COMMENT}explain\b(?:{_COMMENT}analyze\b)?", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(rf"{_COMMENT}(\w+)", re.DOTALL)
_OPTIONS = re.compile(rf"{_COMMENT}\([^)]*\)", re.DOTALL)
OF_DUCKDB = ("information_schema", "pg_catalog")
"""Schemas in which DuckDB lists all tables."""
_BY_TEXT = ("query", "query_table")
"""Table functions that name tables in string arguments."""


@dataclass(frozen=True, slots=True)
class TableName:
    """A table as a statement names it.

    Attributes:
        schema: The schema; empty where none is named.
        table: The table's name.
    """

    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that only reads.

    Attributes:
        text: The statement.
        tables: The table names in it.
        needs_all: Whether it reads the list of all tables.
    """

    text: str
    tables: tuple[TableName, ...]
    needs_all: bool


def parse(text: str, connection: duckdb.DuckDBPyConnection) -> Statement:
    """Parse a statement; nothing is executed.

    Raises:
        ConfigurationError: It is not valid SQL, more than one statement, or does more than read.
    """
    import duckdb

    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError("the SQL cannot be read: it is not UTF-8") from None
    try:
        found = connection.extract_statements(text)
    except duckdb.Error as error:
        raise ConfigurationError(f"the SQL cannot be read: {told(error)}", remedy=_remedy(error, text)) from None
    if not found:
        raise ConfigurationError("there is no SQL", remedy=_ONLY_QUERIES)
    kind = found[-1].type.name
    if len(found) > 1 and not found[-1].query.strip() and kind == "SELECT":
        # DuckDB makes two statements of a PIVOT, the first of which queries the values.
        raise ConfigurationError(
            "a PIVOT has to name its values here", remedy="Add them: PIVOT ... ON column IN ('a', 'b')"
        )
    if len(found) > 1:
        raise ConfigurationError(f"these are {len(found)} statements", remedy=_ONLY_QUERIES)
    [tree] = _trees(text, kind, connection)
    nodes = list(_nodes(tree))
    tables = dict.fromkeys(
        TableName(str(node["schema_name"]), str(node["table_name"]))
        for node, ctes in nodes
        if node.get("type") == "BASE_TABLE" and (node["schema_name"] or node["table_name"].lower() not in ctes)
    )
    return Statement(
        text,
        tuple(tables),
        needs_all=any(each.schema.lower() in OF_DUCKDB for each in tables)
        or any(_looks_at_all(node) for node, _ in nodes),
    )


def _remedy(error: Exception, text: str) -> str:
    near = _NEAR.search(str(error))
    if near and f"{near[1]}." in text:
        return f'Quote names that are words of SQL: "{near[1]}".table'
    return _ONLY_QUERIES


def told(error: Exception) -> str:
    """DuckDB's message on one line, without the excerpt of the statement or Python's traceback."""
    return " ".join(re.split(r"\n\n(?:LINE|At:)", str(error), maxsplit=1)[0].split())


def _trees(text: str, kind: str, connection: duckdb.DuckDBPyConnection) -> list[Any]:
    if kind != "EXPLAIN":
        candidates = [text]
    else:
        # EXPLAIN ANALYZE also executes the statement.
        explained = _EXPLAIN.sub("", text, count=1)
        candidates = [explained, _OPTIONS.sub("", explained, count=1)]
    for candidate in candidates:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [candidate]).fetchone()
        assert row is not None
        tree = json.loads(row[0])
        if not tree["error"] and tree["statements"]:
            return [tree]
    # DuckDB parses a PRAGMA as the equivalent SELECT.
    word = _WORD.match(text)
    kind = word[1].upper() if word and kind == "SELECT" else kind
    raise ConfigurationError(
        f"{kind} is refused: the lake is only read here, and what changes it is done by the other commands",
        remedy=_ONLY_QUERIES,
    )


def _nodes(tree: Any) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Yield every object of a statement's tree, with the names of the CTEs in scope, in lower case."""
    waiting: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, ctes = waiting.pop()
        if isinstance(node, list):
            waiting.extend((each, ctes) for each in node)
        if not isinstance(node, dict):
            continue
        if node.get("type") == "RECURSIVE_CTE_NODE":
            ctes |= {str(node["cte_name"]).lower()}
        # A CTE's query can refer to earlier ones.
        for entry in (node.get("cte_map") or {}).get("map") or ():
            waiting.append((entry["value"], ctes))
            ctes |= {str(entry["key"]).lower()}
        yield node, ctes
        waiting.extend((value, ctes) for key, value in node.items() if key != "cte_map")


def _looks_at_all(node: dict[str, Any]) -> bool:
    if node.get("type") == "SHOW_REF":
        return str(node.get("show_type", "")).startswith("SHOW")
    name = str(node.get("function_name", "")).lower()
    if node.get("type") == "BASE_TABLE":
        name = str(node["table_name"]).lower()
    return name.startswith(("duckdb_", "sqlite_", "pragma_")) or name in _BY_TEXT
