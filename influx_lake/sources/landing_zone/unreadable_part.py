"""What stands in the place of a part of a file that cannot be taken as it is: it makes its record a bad one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In the place of a record.

    Attributes:
        reason: Why it is none.
        text: What is written there.
    """

    reason: str
    text: str


class NamedTwice(dict[str, Any]):
    """In the place of an object that has a name twice: only one of its values can be in a dictionary.

    Attributes:
        name: The name.
        pairs: All of its names and values.
    """

    name: str
    pairs: list[tuple[str, Any]]

    def __init__(self, pairs: list[tuple[str, Any]], name: str) -> None:
        super().__init__(pairs)
        self.name = name
        self.pairs = pairs


@dataclass(frozen=True, slots=True)
class NotHeld:
    """In the place of a number that no float is near to (`1e400`, `1e-400`) or that JSON does not have (`NaN`).

    Attributes:
        text: What is written there.
    """

    text: str

    def __str__(self) -> str:
        return self.text


class WrittenFloat(float):
    """A float that knows how it was written, where that may say more than the float does.

    Attributes:
        text: What is written there.
    """

    text: str

    def __new__(cls, text: str) -> WrittenFloat:
        number = super().__new__(cls, text)
        number.text = text
        return number


def as_json(value: object) -> str:
    """A record in JSON, for people: its numbers as they are written there, also those that JSON does not have.

    Raises:
        RecursionError: It is nested too deeply.
        ValueError: It has an integer of more digits than Python writes.
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
    """The text of a record for people: as written in the file where that is known, else as JSON."""
    if isinstance(record, Unreadable):
        return record.text
    try:
        return as_json(record)
    except (RecursionError, ValueError):
        # Too deep, or an integer of more digits than Python writes.
        return ""
