"""What stands in the place of a part of a file that cannot be taken as it is: it makes its record a bad one."""

from __future__ import annotations

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
    """

    name: str

    def __init__(self, pairs: list[tuple[str, Any]], name: str) -> None:
        super().__init__(pairs)
        self.name = name


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
