"""What cannot be read of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influx_lake.errors import BadRecords


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


def too_bad(count: int, allowed: int, facts: Mapping[str, Any], kept: Path) -> BadRecords:
    """The error for more bad lines than are allowed.

    Args:
        count: How many were met.
        allowed: How many may be.
        facts: The file, and the first one in it.
        kept: Where they are.
    """
    return BadRecords(
        f"{count:,} lines or more cannot be read, where {allowed:,} are allowed (max_bad_lines); the first, in "
        f"{facts['file']}: {facts['first_bad']}; all that were met are in {kept}",
        remedy="Correct them, or raise max_bad_lines to leave them out",
    )
