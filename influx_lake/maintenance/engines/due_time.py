"""Determines the time interval that an engine compacts, from the files that need it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.iceberg.columns.known_columns import time_field
from influx_lake.iceberg.scan.planning import time_bounds

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from influx_lake.iceberg.compaction.selection import FileGroup


def due_time(
    table: Table, time_column: str, groups: tuple[FileGroup, ...], until: datetime, *, whole_partitions: bool
) -> tuple[bool, Window | None]:
    """The interval from the earliest to the latest time of files to compact, widened to whole days or partitions.

    Args:
        table: The table, with the column names that loads use.
        time_column: The name of the time column.
        groups: The files to compact.
        until: Later time may still be loaded, and is excluded.
        whole_partitions: Whether the interval has to consist of whole partitions, none later than `until`.

    Returns:
        Whether there is such time; and the time, or None for all of it: where files do not say what times they hold, or
        partitions are not of time and have to be whole.
    """
    time_id = time_field(table, time_column).field_id
    bounds = [time_bounds(task.file, time_id) for group in groups for task in group.tasks]
    unit = _unit(table, time_id)
    if not bounds:
        return False, None
    if not all(bounds) or (whole_partitions and unit is None):
        return True, None
    unit = (unit if whole_partitions else None) or "day"
    known = [each for each in bounds if each is not None]
    first = _floor(EPOCH + min(each[0] for each in known) * MICROSECOND, unit)
    end = _next(_floor(EPOCH + max(each[1] for each in known) * MICROSECOND, unit), unit)
    if whole_partitions:
        end = min(end, _floor(until, unit))
    return (True, Window(first, end)) if first < end else (False, None)


def _unit(table: Table, time_id: int) -> str | None:
    """The length of the table's partitions; None where they are not by time."""
    from pyiceberg.transforms import DayTransform, HourTransform, MonthTransform, YearTransform

    units = {HourTransform: "hour", DayTransform: "day", MonthTransform: "month", YearTransform: "year"}
    # Files of an earlier partition spec have partitions of another length.
    order = list(units.values())
    found = [
        units[type(field.transform)]
        for spec in table.metadata.specs().values()
        for field in spec.fields
        if field.source_id == time_id and type(field.transform) in units
    ]
    return max(found, key=order.index, default=None)


def _floor(at: datetime, unit: str) -> datetime:
    at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        return at
    return at.replace(hour=0, day=at.day if unit == "day" else 1, month=1 if unit == "year" else at.month)


def _next(at: datetime, unit: str) -> datetime:
    step = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}
    return _floor(at + step.get(unit, timedelta(days=366)), unit)
