"""Maps column names of the source to names in the table: `column_names`."""

from __future__ import annotations

import re
from enum import StrEnum

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS = re.compile(r"[\W_]+")


class ColumnNames(StrEnum):
    """How names are changed."""

    KEEP = "keep"
    LOWER = "lower"
    SNAKE = "snake"


def column_name(name: str, style: ColumnNames) -> str:
    """The name in the table for a name in the source."""
    if style is ColumnNames.LOWER:
        return name.lower()
    return _snake(name) if style is ColumnNames.SNAKE else name


def _snake(name: str) -> str:
    words = _BETWEEN_WORDS.sub("_", _WORD_STARTS.sub("_", name)).strip("_").lower()
    # A name that starts with a digit needs quotes in every engine.
    return words if words and not words[0].isdigit() else f"_{words}"
