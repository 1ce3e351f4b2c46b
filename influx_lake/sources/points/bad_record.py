"""A line or record of a file that is no point."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A line or record that is no point.

    Attributes:
        line: Its number, from 1.
        reason: Why it is none.
        text: What it says.
    """

    line: int
    reason: str
    text: str
