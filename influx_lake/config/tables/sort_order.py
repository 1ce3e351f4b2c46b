"""The option `write.sort_by`: the sort order of rows in data files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

NONE = "none"
_DIRECTIONS = {"asc": False, "desc": True}


@dataclass(frozen=True, slots=True)
class SortTerm:
    """One column of a sort order: `time desc`.

    Attributes:
        column: The column.
        descending: Whether the order is descending. Nulls sort as the smallest value.
    """

    column: str
    descending: bool = False

    def __str__(self) -> str:
        ambiguous = self.column.lower().endswith(tuple(f" {word}" for word in _DIRECTIONS))
        if self.descending:
            return f"{self.column} desc"
        return f"{self.column} asc" if ambiguous else self.column


def parse_sort_term(text: object) -> SortTerm:
    """Parse `host`, `time asc` or `time desc`; a column whose name ends in one of these words needs another one.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(text, SortTerm):
        return text
    words = text.strip() if isinstance(text, str) else ""
    if not words or words.lower() in _DIRECTIONS:
        raise ValueError("is not something to sort by: write a column, or a column and desc, such as time desc")
    column, _, last = words.rpartition(" ")
    if column.strip() and last.lower() in _DIRECTIONS:
        return SortTerm(column.strip(), _DIRECTIONS[last.lower()])
    return SortTerm(words)


def _read_terms(value: Any) -> Any:
    if value == NONE:
        return ()
    if not isinstance(value, str):
        return value
    raise ValueError(f"is not a sort order: write a list such as [host, time desc], or {NONE}")


def _check_terms(terms: Sequence[SortTerm] | None) -> Sequence[SortTerm] | None:
    columns = [term.column for term in terms or ()]
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise ValueError(f"names the column {twice} twice: rows that are sorted by it once are sorted")
    return terms


def _written(terms: Sequence[SortTerm] | None) -> str | list[str] | None:
    return None if terms is None else [str(term) for term in terms] or NONE


SortTerms: TypeAlias = Annotated[
    tuple[Annotated[SortTerm, BeforeValidator(parse_sort_term)], ...] | None,
    BeforeValidator(_read_terms),
    AfterValidator(_check_terms),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"enum": [NONE]}, {"type": "array", "items": {"type": "string"}}],
            "examples": [["host", "time desc"], NONE],
        }
    ),
]
"""The columns of a sort order; empty for `none`, None where not set."""
