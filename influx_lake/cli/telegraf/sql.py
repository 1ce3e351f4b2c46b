"""Quotes identifiers and literals for DuckDB expressions in lake.yaml."""

from __future__ import annotations

import re

from influx_lake.sql_quoting import identifier as quoted
from influx_lake.sql_quoting import text_literal

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_RESERVED = """
all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default
deferrable desc describe distinct do else end except false fetch for foreign from grant group having in initially
intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider
placing primary qualify references returning select show some summarize symmetric table then to trailing true
union unique unpivot using variadic when where window with
"""


def identifier(name: str) -> str:
    """A column name, quoted where needed."""
    if _PLAIN.fullmatch(name) and name not in _RESERVED.split():
        return name
    return quoted(name)


def literal(value: str | float | bool) -> str:
    """A literal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return text_literal(value)
    # Without an exponent DuckDB parses a number as a decimal, and computes with decimals.
    return f"{value!r}::DOUBLE" if isinstance(value, float) else str(value)
