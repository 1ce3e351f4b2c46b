"""The code location: the lake of $INFLUX_LAKE_CONFIG or ./lake.yaml, and the assets in `influx_lake/defs`."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import dagster as dg

import influx_lake.defs
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.location import current_lake

_FOLDER = Path(influx_lake.defs.__file__).parent

# Read by Dagster at each event: otherwise a run writes those of its windows one by one, each in a transaction.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "50")


@dg.definitions
def defs() -> dg.Definitions:
    """The lake's assets and those that are built on them."""
    return dg.Definitions.merge(
        build_definitions(current_lake()),
        _own_definitions(),
        # A process per step would load all definitions again for every window.
        dg.Definitions(executor=dg.in_process_executor),
    )


def _own_definitions() -> dg.Definitions:
    """What is in the defs folder: modules and components.

    Built for the folder, not for the whole tree, which would import every library that registers components: seconds,
    in each run.
    """
    tree = dg.ComponentTree.from_module(influx_lake.defs, project_root=_FOLDER.parent.parent)
    with warnings.catch_warnings():
        # Dagster warns that a function of its own, which its tree calls, is a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return tree.build_defs(_FOLDER)
