"""The definition of late, for the check `freshness` and for Dagster's freshness policy."""

from __future__ import annotations

from datetime import datetime, timedelta

from influx_lake.config import Measurement
from influx_lake.config.values.windows import LONGEST, Every

_CLOCKS_PUT_BACK = timedelta(hours=1)


def next_due(measurement: Measurement, loaded_until: datetime) -> datetime:
    """When the first window that is not loaded becomes due, which is its end plus `lag`: from then on the measurement
    is late.

    Args:
        measurement: The measurement.
        loaded_until: The end of the coverage; where nothing is loaded, the start of the first window.
    """
    return measurement.scheme.window_at(loaded_until).end + measurement.lag


def longest_pause(measurement: Measurement) -> timedelta:
    """The longest pause between two loads of a measurement that is never late: its longest window."""
    every = measurement.scheme.every
    return LONGEST[every] + (timedelta(0) if every is Every.HOUR else _CLOCKS_PUT_BACK)
