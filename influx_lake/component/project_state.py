"""Finds the components of a lake.yaml in a dg project, and updates their discovery state, for the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import dagster as dg

from influx_lake.component.lake_component import InfluxLakeComponent
from influx_lake.config import Discovered, Lake
from influx_lake.orchestration.dagster_internals import DefsStateManagementType


def components_of(root: Path, lake: Lake) -> list[InfluxLakeComponent]:
    """The components of a lake.yaml in a dg project.

    Args:
        root: The project.
        lake: The lake.

    Raises:
        Exception: The project does not load.
    """
    # As `dg` does: the project need not be installed.
    sys.path[:0] = [str(root / "src"), str(root)]
    components = dg.ComponentTree.for_project(root).get_all_components(of_type=InfluxLakeComponent)
    path = lake.path.resolve()
    return [each for each in components if each.config is not None and each.lake.path.resolve() == path]


def keep_in_components(
    components: Iterable[InfluxLakeComponent],
    change: Callable[[Discovered], Discovered],
    instance: dg.DagsterInstance | None,
) -> list[str]:
    """Update the discovery state of a lake's components.

    Args:
        components: The components.
        change: Makes the new state from the present one.
        instance: The Dagster instance; without it, state that Dagster stores is not updated.

    Returns:
        The keys of the states that were changed.
    """
    changed = []
    for component in components:
        config = component.defs_state_config
        stored_by_dagster = config.management_type is DefsStateManagementType.VERSIONED_STATE_STORAGE
        if component.discovers and (instance or not stored_by_dagster):
            if instance:
                component.keep(instance, change)
            else:
                with dg.DagsterInstance.ephemeral() as nowhere:
                    component.keep(nowhere, change)
            changed.append(config.key)
    return changed
