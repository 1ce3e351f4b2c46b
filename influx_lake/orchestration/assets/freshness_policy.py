"""Dagster's own view of how recent a measurement has to be."""

from __future__ import annotations

import dagster as dg

from influx_lake.checks.lateness import longest_pause
from influx_lake.config import Measurement


def freshness_policy(measurement: Measurement) -> dg.FreshnessPolicy | None:
    """The policy of a measurement's asset, None where nobody waits for it.

    It is the lateness of the check `freshness` in the terms that Dagster has, which knows when an asset was last
    materialised, of whatever partition: windows that are loaded when they are due are as far apart as they are long.
    """
    options = measurement.freshness
    if options is None:
        return None
    pause = longest_pause(measurement)
    warn = None if options.warn is None else pause + options.warn
    return dg.FreshnessPolicy.time_window(fail_window=pause + options.fail, warn_window=warn)
