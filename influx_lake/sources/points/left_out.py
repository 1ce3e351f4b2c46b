"""Messages about records that are in no table since they cannot be read, or have no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from influx_lake.config.values.units import counted
from influx_lake.errors import BadRecords
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.remarks import Remark, verb


def bad_records_remark(units: Sequence[Unit]) -> Remark | None:
    """The remark about records that `max_bad_lines` lets pass: they are in no table."""
    bad = [unit for unit in units if unit.bad]
    if not bad:
        return None
    facts, count = bad[0].facts, sum(unit.bad for unit in bad)
    return Remark(
        f"{counted(count, 'record')} of {counted(len(bad), 'file')} cannot be read and {verb(count, 'is', 'are')} left "
        f"out, as max_bad_lines allows; the first, in {facts['file']}: {facts['first_bad']}",
        f"Correct them; all that were found are in {bad[0].bad_file.parent}",
    )


def empty_records_remark(units: Sequence[Unit]) -> Remark | None:
    """The remark about records without a value in any field: they are in no table."""
    empty = [unit for unit in units if unit.empty]
    if not empty:
        return None
    facts, count = empty[0].facts, sum(unit.empty for unit in empty)
    return Remark(
        f"{counted(count, 'record')} of {counted(len(empty), 'file')} {verb(count, 'has', 'have')} no value in any "
        f"field, and {verb(count, 'is', 'are')} left out; the first is in {facts['file']}, {facts['first_empty']}",
        "If they should have values, check the program that writes them",
    )


def all_left_out(units: Sequence[Unit]) -> str:
    """Why files have no points of a measurement if records were left out: a part of a message, or empty."""
    remarks = [remark.text for remark in (bad_records_remark(units), empty_records_remark(units)) if remark]
    return f" that can be read: {'; '.join(remarks)}" if remarks else ""


def too_bad(count: int, allowed: int, facts: Mapping[str, Any], kept: Path) -> BadRecords:
    """The error for more bad lines than are allowed.

    Args:
        count: How many were found.
        allowed: How many are allowed.
        facts: The file, and its first bad line.
        kept: Where they are kept.
    """
    return BadRecords(
        f"{counted(count, facts.get('numbered', 'line'))} or more cannot be read, where {allowed:,} are allowed "
        f"(max_bad_lines); the first, in {facts['file']}: {facts['first_bad']}; all that were found are in {kept}",
        remedy="Correct them, or raise max_bad_lines to leave them out",
    )
