"""Tables in Markdown, as Dagster shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table whose cells are Markdown already."""
    return "\n".join((_line(header), "|" + " --- |" * len(header), *map(_line, rows)))


def plain_cell(value: object, characters: int) -> str:
    """Any value as the text of a cell, which nothing in it can leave; with more characters than these it is cut."""
    text = "" if value is None else str(value)
    short = text if len(text) <= characters else text[: characters - 1] + "…"
    return short.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
