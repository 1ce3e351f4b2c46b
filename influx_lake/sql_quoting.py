"""Names and texts in SQL, as the standard, DataFusion, DuckDB and Trino quote them."""

from __future__ import annotations


def identifier(name: str) -> str:
    """A name in SQL: in quotes, dots, spaces and case are kept as they are."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"
