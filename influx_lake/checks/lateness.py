"""When a measurement is late: the one definition, of the check `freshness` and of Dagster's policy."""

from __future__ import annotations

from datetime import datetime, timedelta

from influx_lake.config import Measurement
from influx_lake.config.values.windows import LONGEST, Every

_CLOCKS_PUT_BACK = timedelta(hours=1)


def next_due(measurement: Measurement, loaded_until: datetime) -> datetime:
    """When the first window that is not loaded is to be: its end, and `lag`. From then on the measurement is late.

    Args:
        measurement: The measurement.
        loaded_until: Up to when it is loaded; where nothing is, when its first window begins.
    """
    return measurement.scheme.window_at(loaded_until).end + measurement.lag


def longest_pause(measurement: Measurement) -> timedelta:
    """The longest time between two loads of a measurement that is never late: its longest window."""
    every = measurement.scheme.every
    return LONGEST[every] + (timedelta(0) if every is Every.HOUR else _CLOCKS_PUT_BACK)
