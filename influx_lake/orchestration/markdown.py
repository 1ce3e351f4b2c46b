"""Markdown tables for Dagster's pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells in Markdown."""
    return "\n".join((_line(header), "|" + " --- |" * len(header), *map(_line, rows)))


def plain_cell(value: object, characters: int) -> str:
    """A value as the escaped text of a cell, cut to a number of characters."""
    text = "" if value is None else str(value)
    short = text if len(text) <= characters else text[: characters - 1] + "…"
    return short.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
