"""What cannot be read of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from influx_lake.errors import BadRecords
from influx_lake.sources.remarks import Remark, counted

if TYPE_CHECKING:
    from influx_lake.sources.points.unit import Unit


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


def bad_records_remark(units: Sequence[Unit]) -> Remark | None:
    """Tells what `max_bad_lines` lets pass: these records are in no table."""
    bad = [unit for unit in units if unit.bad]
    if not bad:
        return None
    facts = bad[0].facts
    return Remark(
        f"{counted(sum(unit.bad for unit in bad), 'record')} of {counted(len(bad), 'file')} cannot be read and are "
        f"left out, as max_bad_lines allows; the first, in {facts['file']}: {facts['first_bad']}",
        f"Correct them; all that were met are in {bad[0].bad_file.parent}",
    )


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
