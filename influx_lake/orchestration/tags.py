"""The tags of runs: measurements, windows, and the reason of a load."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import dagster as dg

from influx_lake.config.values.windows import Window

MEASUREMENT = "influx_lake/measurement"
"""The tag with the measurement of a run that loads one."""
MEASUREMENTS = "influx_lake/measurements"
"""The tag with the measurements of a run that loads several."""
WINDOW = "influx_lake/window"
"""The tag with the time that a run loads, `start/end`."""
REASON = "influx_lake/reason"
"""The tag with the `Reason` of a run."""

REQUEST = "influx_lake/request"
"""The tag with the HTTP request that a run is for."""

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

_NAMES_SHOWN = 5


class Reason(StrEnum):
    """Why a run was started automatically."""

    SCHEDULED = "scheduled"
    """The windows closed."""
    MISSED = "missed"
    """The windows closed earlier and are not in the table: no run was started, or it failed."""
    DIFFERS = "differs"
    """Source and table hold different rows."""
    CHANGED = "changed"
    """The source reported points that were written after the load."""
    REQUESTED = "requested"
    """A client of the HTTP service requested the windows."""
    UNPROVED = "unproved"
    """The windows closed and are not proved: they are compared, and not loaded."""
    TAIL = "tail"
    """The windows are open, and the source has new points."""


def subject_tags(names: Sequence[str], windows: Iterable[Window]) -> dict[str, str]:
    """The tags with the measurements and the time that a run loads."""
    windows = sorted(windows)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    named = {MEASUREMENT: names[0]} if len(names) == 1 else {MEASUREMENTS: ", ".join(names[:_NAMES_SHOWN]) + more}
    return {**named, WINDOW: str(Window(windows[0].start, windows[-1].end))}


def partition_tags(first: str, last: str) -> dict[str, str]:
    """The tags of a run over a range of partitions."""
    return {RANGE_START: first, RANGE_END: last}


def partitions_of(run: dg.DagsterRun) -> tuple[str, str] | None:
    """The first and the last partition of a run; None where it has none. Keys sort like their times."""
    if (key := run.tags.get(PARTITION)) is not None:
        return key, key
    first, last = run.tags.get(RANGE_START), run.tags.get(RANGE_END)
    return (first, last) if first is not None and last is not None else None
