"""The code location: the lake of $INFLUX_LAKE_CONFIG or ./lake.yaml, and the assets in `influx_lake/defs`."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

import influx_lake.defs
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.location import current_lake


@dg.definitions
def defs() -> dg.Definitions:
    """The lake's assets and those that are built on them."""
    folder = dg.ComponentTree.from_module(influx_lake.defs, project_root=Path(__file__).parent.parent)
    return dg.Definitions.merge(build_definitions(current_lake()), folder.build_defs())
