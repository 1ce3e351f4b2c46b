"""The code location: everything in `defs`."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """The lake's assets and those that are built on them."""
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        # A process per step would load all definitions again for every window.
        dg.Definitions(executor=dg.in_process_executor),
    )
