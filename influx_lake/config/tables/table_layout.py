"""The option `iceberg_partition`: the partition fields of a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from influx_lake.config.report.diagnostics import suggestion

NONE = "none"
TABLE_DEFAULT = "table_default"
_WITH_WIDTH = ("bucket", "truncate")
_WITHOUT = ("identity", "year", "month", "day", "hour")
_CALL = re.compile(r"([A-Za-z_]+)\s*\((.*)\)")
_WIDTH = re.compile(r"\s*([1-9][0-9]{0,8})\s*,\s*(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PartitionTerm:
    """One field of a partition spec: `bucket(16, host)`.

    Attributes:
        transform: The partition transform.
        column: The column.
        width: The number of buckets, or the width of truncation.
    """

    transform: str
    column: str
    width: int | None = None

    def __str__(self) -> str:
        return f"{self.transform}({self.column if self.width is None else f'{self.width}, {self.column}'})"


def parse_term(text: object) -> PartitionTerm:
    """Parse `day(time)`, `bucket(16, host)` or a column name.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(text, PartitionTerm):
        return text
    if not isinstance(text, str) or not text.strip():
        raise ValueError("is not a partition field: write a column, or a transform such as day(time)")
    call = _CALL.fullmatch(text.strip())
    if call is None:
        if set("()") & set(text):
            raise ValueError("is not a partition field: write such a column as identity(...)")
        return PartitionTerm("identity", text.strip())
    transform, arguments = call[1].lower(), call[2].strip()
    if transform in _WITH_WIDTH:
        width = _WIDTH.fullmatch(arguments)
        if width is None:
            raise ValueError(f"is not a partition field: write a number and a column, such as {transform}(16, host)")
        return PartitionTerm(transform, width[2].strip(), int(width[1]))
    if transform not in _WITHOUT:
        known = (*_WITHOUT, *_WITH_WIDTH)
        guess = suggestion(transform, known)
        raise ValueError(f"is not a partition field: {transform} is none of {', '.join(known)}{guess}")
    if not arguments:
        raise ValueError(f"is not a partition field: {transform} needs a column, such as {transform}(time)")
    return PartitionTerm(transform, arguments)


def _read_terms(value: Any) -> Any:
    if value == TABLE_DEFAULT:
        return None
    if value == NONE:
        return ()
    if not isinstance(value, str):
        return value
    raise ValueError(f"is not a partitioning: write a list such as [day(time)], {NONE} or {TABLE_DEFAULT}")


def _check_terms(terms: Sequence[PartitionTerm] | None) -> Sequence[PartitionTerm] | None:
    seen: dict[str, PartitionTerm] = {}
    for term in terms or ():
        if term.column in seen:
            raise ValueError(
                f"has two fields of the column {term.column}, {seen[term.column]} and {term}, and pyiceberg writes "
                "tables with one field per column only: keep one of them"
            )
        seen[term.column] = term
    return terms


def _written(terms: Sequence[PartitionTerm] | None) -> str | list[str]:
    if terms is None:
        return TABLE_DEFAULT
    return [str(term) for term in terms] or NONE


PartitionTerms: TypeAlias = Annotated[
    tuple[Annotated[PartitionTerm, BeforeValidator(parse_term)], ...] | None,
    BeforeValidator(_read_terms),
    AfterValidator(_check_terms),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"enum": [NONE, TABLE_DEFAULT]}, {"type": "array", "items": {"type": "string"}}],
            "examples": [["day(time)", "bucket(16, host)"], NONE],
        }
    ),
]
"""The partition fields; empty for `none`, None for `table_default`."""
