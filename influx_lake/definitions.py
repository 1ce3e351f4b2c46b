"""The Dagster code location of a lake.yaml without a project: the lake of $INFLUX_LAKE_CONFIG or ./lake.yaml."""

from __future__ import annotations

import os

import dagster as dg

from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.location import current_lake

# Dagster reads it at each event; without it a run writes its windows' events one by one, each in a transaction.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "50")


@dg.definitions
def defs() -> dg.Definitions:
    """The Dagster definitions of the lake."""
    # A process per step would load all definitions again for every window.
    return dg.Definitions.merge(build_definitions(current_lake()), dg.Definitions(executor=dg.in_process_executor))
