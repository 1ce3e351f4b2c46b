"""Cuts a window into parts."""

from __future__ import annotations

from datetime import datetime, timedelta

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window


def parts_of(measurement: Measurement, window: Window) -> list[Window]:
    """The parts of a window, oldest first: of the length `partition.split`, the last one perhaps shorter.

    They are counted from the start of the measurement's partition, so that cutting a part again gives the same bounds.
    """
    split = measurement.split
    return [window] if split is None else cut(window, split, measurement.scheme.window_at(window.start).start)


def cut(window: Window, length: timedelta, origin: datetime) -> list[Window]:
    """Cut a window at multiples of a length after an origin, which is not after the window's start."""
    start = origin + ((window.start - origin) // length) * length
    found = []
    while start < window.end:
        found.append(Window(max(start, window.start), min(start + length, window.end)))
        start += length
    return found
