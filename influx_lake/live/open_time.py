"""Which time is asked of a measurement's source, because its table does not hold it."""

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
    """The time of a measurement whose rows neither a load nor a tail brought.

    Attributes:
        asked: What is asked of the source, oldest first.
        left_out: What is older, and is not asked for.
    """

    asked: tuple[Window, ...] = ()
    left_out: tuple[Window, ...] = ()


def open_time(measurement: Measurement, coverage: Coverage, now: datetime, between: Between = (None, None)) -> OpenTime:
    """Find out what of a time the table does not hold, up to the end of the window that is open.

    Args:
        measurement: The measurement.
        coverage: What its table holds.
        now: The present.
        between: The time that is wanted. Without a start it begins with the newest window that has closed: a lake that
            is on time lacks nothing older.
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
