"""The Dagster code location of a lake.yaml without a project: the lake of $INFLUX_LAKE_CONFIG or ./lake.yaml."""

# ruff: noqa: E402  (these settings must precede the imports, which they affect too)
from __future__ import annotations

import gc

# 10,000 measurements make a million objects that live as long as the process. With Python's default thresholds, garbage
# collection takes a third of the time of loading them.
gc.set_threshold(100_000, 20, 100)

import os

import dagster as dg

# Dagster reads this at each event. Without it, a run writes its windows' events one by one, each in a transaction.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "50")


@dg.definitions
def defs() -> dg.Definitions:
    """The Dagster definitions of the lake."""
    from influx_lake.orchestration.definitions import build_definitions
    from influx_lake.orchestration.location import current_lake

    # A process per step would load all definitions again for every window.
    return dg.Definitions.merge(build_definitions(current_lake()), dg.Definitions(executor=dg.in_process_executor))
