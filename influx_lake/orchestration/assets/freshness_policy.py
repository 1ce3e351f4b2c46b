"""Dagster's own view of how recent a measurement has to be."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Every

_LONGEST = {
    Every.HOUR: timedelta(hours=1),
    Every.DAY: timedelta(hours=25),
    Every.WEEK: timedelta(days=7, hours=1),
    Every.MONTH: timedelta(days=31, hours=1),
}
"""The longest windows there are: clocks are put back."""


def freshness_policy(measurement: Measurement) -> dg.FreshnessPolicy | None:
    """The policy of a measurement's asset, None where nobody waits for it.

    Dagster knows when an asset was last materialised, of whatever partition, so that between two windows there may be
    a window's length more than `freshness` says.
    """
    options = measurement.freshness
    if options is None:
        return None
    length = _LONGEST[measurement.scheme.every]
    warn = None if options.warn is None else length + options.warn
    return dg.FreshnessPolicy.time_window(fail_window=length + options.fail, warn_window=warn)
