"""Placeholders for parts of a file that cannot be read exactly; they make a record a bad one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Placeholder for a record.

    Attributes:
        reason: Why it is not one.
        text: The text in the file.
    """

    reason: str
    text: str


class NamedTwice(dict[str, Any]):
    """Placeholder for an object with a duplicate name: a dictionary holds only one of its values.

    Attributes:
        name: The name.
        pairs: All names and values.
    """

    name: str
    pairs: list[tuple[str, Any]]

    def __init__(self, pairs: list[tuple[str, Any]], name: str) -> None:
        super().__init__(pairs)
        self.name = name
        self.pairs = pairs


@dataclass(frozen=True, slots=True)
class NotHeld:
    """Placeholder for a number that no float is near to (`1e400`, `1e-400`) or that is not JSON (`NaN`).

    Attributes:
        text: The text in the file.
    """

    text: str

    def __str__(self) -> str:
        return self.text


class WrittenFloat(float):
    """A float with its text, which may have more digits than the float holds.

    Attributes:
        text: The text in the file.
    """

    text: str

    def __new__(cls, text: str) -> WrittenFloat:
        number = super().__new__(cls, text)
        number.text = text
        return number


def as_json(value: object) -> str:
    """Format a record as JSON for messages; its numbers as written in the file, even if they are not JSON.

    Raises:
        RecursionError: It is nested too deeply.
        ValueError: It has an integer with more digits than Python formats.
    """
    if isinstance(value, NotHeld | WrittenFloat):
        return value.text
    if isinstance(value, dict):
        pairs: Iterable[tuple[str, Any]] = value.pairs if isinstance(value, NamedTwice) else value.items()
        return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {as_json(each)}" for name, each in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_json, value)) + "]"
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    return json.dumps(value, ensure_ascii=False, default=str)


def text_of(record: object) -> str:
    """The text of a record, for messages: as in the file if known, otherwise as JSON."""
    if isinstance(record, Unreadable):
        return record.text
    try:
        return as_json(record)
    except (RecursionError, ValueError):
        # Nested too deeply, or an integer with more digits than Python formats.
        return ""
