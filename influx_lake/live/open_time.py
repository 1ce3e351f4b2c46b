"""Determines for which time a measurement's source has to be queried because its table does not cover it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.replication.planning.due import newest_closed

Between = tuple[datetime | None, datetime | None]
"""A half-open interval of time; None where it has no bound."""


@dataclass(frozen=True, slots=True)
class OpenTime:
    """The time that a measurement's table does not cover.

    Attributes:
        source_windows: The windows to query from the source, oldest first.
        left_out: Older windows that are not queried.
    """

    source_windows: tuple[Window, ...] = ()
    left_out: tuple[Window, ...] = ()


def open_time(measurement: Measurement, coverage: Coverage, now: datetime, between: Between = (None, None)) -> OpenTime:
    """Determine which part of an interval the table does not cover, up to the end of the open window.

    Args:
        measurement: The measurement.
        coverage: The table's coverage.
        now: The present.
        between: The interval. Without a start it begins with the newest closed window: a lake that is up to date lacks
            nothing older.
    """
    kept, end = measurement.kept_since(now), measurement.scheme.window_at(now).end
    if between[1] is not None:
        end = min(end, between[1])
    start = between[0]
    if start is None:
        closed = newest_closed(measurement, now)
        start = closed.start if closed is not None else kept
    start = max(start, kept)
    older = coverage.not_tailed(Window(kept, min(start, end))) if between[0] is None and kept < min(start, end) else ()
    return OpenTime(coverage.not_tailed(Window(start, end)) if start < end else (), older)
