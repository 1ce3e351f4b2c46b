"""Dagster's freshness policy of a measurement."""

from __future__ import annotations

import dagster as dg

from influx_lake.checks.lateness import longest_pause
from influx_lake.config import Measurement


def freshness_policy(measurement: Measurement) -> dg.FreshnessPolicy | None:
    """The freshness policy of a measurement's asset; None without `freshness`.

    It expresses the lateness of the check `freshness` for Dagster, which only knows when any partition was last
    materialised: loads of windows that are on time are as far apart as windows are long.
    """
    options = measurement.freshness
    if options is None:
        return None
    pause = longest_pause(measurement)
    warn = None if options.warn is None else pause + options.warn
    return dg.FreshnessPolicy.time_window(fail_window=pause + options.fail, warn_window=warn)
