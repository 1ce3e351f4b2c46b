"""Quotes identifiers and string literals as the SQL standard, DataFusion, DuckDB and Trino do."""

from __future__ import annotations


def identifier(name: str) -> str:
    """A quoted identifier; dots, spaces and case are kept."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A quoted string literal."""
    return "'" + text.replace("'", "''") + "'"
