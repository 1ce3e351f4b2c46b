"""Determines the windows that are due: closed and not loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.windows import MICROSECOND, Scheme, Window

if TYPE_CHECKING:
    from influx_lake.iceberg.table_state.coverage import Coverage


@dataclass(frozen=True, slots=True)
class DueWindow:
    """A window of a measurement to load, whatever the reason.

    Attributes:
        measurement: The measurement.
        window: The window, one of the measurement's scheme.
    """

    measurement: Measurement
    window: Window

    @property
    def key(self) -> str:
        """Its Dagster partition key."""
        return self.measurement.scheme.key(self.window)


def due_windows(
    measurement: Measurement,
    coverage: Coverage,
    now: datetime,
    *,
    newest_first: bool = True,
    limit: int | None = None,
    skip: Callable[[DueWindow], bool] = lambda due: False,
) -> list[DueWindow]:
    """The windows that closed at least the measurement's lag ago and are not completely in its table.

    The cost depends on the missing windows, not on the length of the history.

    Args:
        measurement: The measurement.
        coverage: The coverage of its table.
        now: The present.
        newest_first: Whether to start with the newest window rather than the oldest.
        limit: The most windows.
        skip: Whether to leave out a window, because a run loads it already.
    """
    missing = _missing(measurement, coverage, now, newest_first=newest_first)
    found = (DueWindow(measurement, window) for window in missing)
    return list(islice((due for due in found if not skip(due)), limit))


def count_due_windows(
    measurement: Measurement, coverage: Coverage, now: datetime, count: Callable[[Scheme, Window], int]
) -> int:
    """The number of windows that `due_windows` finds, without visiting each.

    Args:
        measurement: The measurement.
        coverage: The coverage of its table.
        now: The present.
        count: Counts the windows of a scheme that overlap an interval; measurements share most answers.
    """
    scheme, found, last = measurement.scheme, 0, None
    for gap in _gaps(measurement, coverage, now):
        # Two gaps may be in one window.
        found += count(scheme, gap) - (scheme.window_at(gap.start) == last)
        last = scheme.window_at(gap.end - MICROSECOND)
    return found


def newest_closed(measurement: Measurement, now: datetime) -> Window | None:
    """The newest window that closed at least the measurement's lag ago; None before the first."""
    return _newest_before(measurement.scheme, now - measurement.lag)


@lru_cache(maxsize=64)
def _newest_before(scheme: Scheme, until: datetime) -> Window | None:
    # Most measurements have it in common.
    return next(scheme.windows_back(scheme.start, scheme.window_at(until).start), None)


def next_due(measurement: Measurement, now: datetime) -> datetime:
    """When the next window is due that has not closed at least the measurement's lag ago."""
    return measurement.scheme.window_at(now - measurement.lag).end + measurement.lag


def open_windows(measurement: Measurement, now: datetime) -> Iterator[Window]:
    """The windows that have points and are not due yet, oldest first."""
    until = now - tail_lag(measurement)
    due = now - measurement.lag
    begin = min(due, until - MICROSECOND)
    return (window for window in measurement.scheme.windows(begin, until) if window.end > due)


def tail_lag(measurement: Measurement) -> timedelta:
    """How long before the present a tail of the measurement ends."""
    tail = measurement.tail
    return tail.lag if tail is not None and tail.lag is not None else measurement.lag


def _missing(measurement: Measurement, coverage: Coverage, now: datetime, *, newest_first: bool) -> Iterator[Window]:
    scheme, gaps = measurement.scheme, _gaps(measurement, coverage, now)
    cut = scheme.windows_back if newest_first else scheme.windows
    last = None
    for gap in reversed(gaps) if newest_first else gaps:
        for window in cut(gap.start, gap.end):
            # Two gaps may be in one window.
            if window != last:
                yield window
            last = window


def _gaps(measurement: Measurement, coverage: Coverage, now: datetime) -> tuple[Window, ...]:
    """The closed and kept time that is not covered, oldest first."""
    newest, kept = newest_closed(measurement, now), measurement.kept_since(now)
    return () if newest is None or kept >= newest.end else tuple(coverage.gaps(Window(kept, newest.end)))
