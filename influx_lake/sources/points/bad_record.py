"""A line or record of a file that is not a point."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A line or record that is not a point.

    Attributes:
        line: Its number, from 1.
        reason: Why it is not one.
        text: Its text.
    """

    line: int
    reason: str
    text: str
