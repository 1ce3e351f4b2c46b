"""The state of components, changed from outside of their project: by the command line, which works on a lake.yaml."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dagster as dg

from influx_lake.component.lake_component import InfluxLakeComponent
from influx_lake.config import Discovered, Lake
from influx_lake.orchestration.dagster_internals import DefsStateManagementType


def keep_in_project(root: Path, lake: Lake, known: Discovered) -> list[str]:
    """Let the components of a lake.yaml know what its sources have.

    Args:
        root: The dg project that it lies in.
        lake: The lake.
        known: What its sources have.

    Returns:
        The keys of the states that were changed; one that Dagster stores needs $DAGSTER_HOME.

    Raises:
        Exception: The project does not load.
    """
    changed = []
    # As `dg` does: the project need not be installed.
    sys.path[:0] = [str(root / "src"), str(root)]
    for component in dg.ComponentTree.for_project(root).get_all_components(of_type=InfluxLakeComponent):
        if component.config is None or component.lake.path.resolve() != lake.path.resolve() or not component.discovers:
            continue
        config = component.defs_state_config
        stored_by_dagster = config.management_type is DefsStateManagementType.VERSIONED_STATE_STORAGE
        if stored_by_dagster and not os.environ.get("DAGSTER_HOME"):
            continue
        with dg.DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else dg.DagsterInstance.ephemeral() as instance:
            component.keep(instance, lambda _: known)
        changed.append(config.key)
    return changed
