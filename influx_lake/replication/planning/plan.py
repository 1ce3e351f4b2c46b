"""Plans the windows of a range for loading."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.table_state.coverage import Coverage


def plan_windows(
    measurement: Measurement,
    coverage: Coverage,
    now: datetime,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    every: timedelta | None = None,
    only_missing: bool = True,
) -> list[Window]:
    """The windows to load, oldest first.

    Without `every` they are the measurement's own partitions, and only closed ones: those that ended `lag` before now.
    A bound inside a partition includes the whole partition. With `every` the range itself is cut into pieces of that
    length, and may reach into the open window.

    Args:
        measurement: The measurement.
        coverage: The coverage of its table.
        now: The present.
        start: The start of the range; default: the scheme's start.
        end: The end of the range, exclusive; default: now, less the measurement's lag.
        every: The length of the windows.
        only_missing: Whether to leave out covered windows.

    Raises:
        ConfigurationError: The range is empty.
    """
    begin = start or measurement.kept_since(now)
    until = end or now - measurement.lag
    if begin >= until:
        if start is None or end is None:
            return []
        raise ConfigurationError(f"the range is empty: it starts at {begin} and ends at {until}")
    if every is not None:
        windows = [part for piece in _cut(begin, until, every) for part in _parts(measurement, piece)]
    elif end is not None:
        windows = list(measurement.scheme.windows(begin, until))
    else:
        closed = measurement.scheme.windows(begin, until)
        windows = [window for window in closed if window.end <= until]
    return coverage.missing(windows) if only_missing else windows


def _parts(measurement: Measurement, window: Window) -> list[Window]:
    return measurement.history.split(window) if measurement.history else [window]


def _cut(begin: datetime, until: datetime, every: timedelta) -> Iterator[Window]:
    while begin < until:
        # Not `begin + every` where that is after the end: it may exceed the largest datetime.
        end = until if until - begin <= every else begin + every
        yield Window(begin, end)
        begin = end
