"""The parts that a window is cut into."""

from __future__ import annotations

from datetime import datetime, timedelta

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window


def parts_of(measurement: Measurement, window: Window) -> list[Window]:
    """The parts of a window, oldest first: as long as `partition.split` says, the last one maybe shorter.

    They are counted from where the measurement's partition starts, so that a part of it has the same ones.
    """
    split = measurement.split
    return [window] if split is None else cut(window, split, measurement.scheme.window_at(window.start).start)


def cut(window: Window, length: timedelta, origin: datetime) -> list[Window]:
    """Cut a window at the whole multiples of a length after an origin, which is not after its start."""
    start = origin + ((window.start - origin) // length) * length
    found = []
    while start < window.end:
        found.append(Window(max(start, window.start), min(start + length, window.end)))
        start += length
    return found
