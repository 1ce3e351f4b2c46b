"""What the tags of a run say of the windows that it loads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import dagster as dg

from influx_lake.config.values.windows import Window

MEASUREMENT = "influx_lake/measurement"
"""The measurement of a run that loads one."""
MEASUREMENTS = "influx_lake/measurements"
"""The measurements of a run that loads several."""
WINDOW = "influx_lake/window"
"""The time that a run loads, `start/end`."""
REASON = "influx_lake/reason"
"""Why it does."""

REQUEST = "influx_lake/request"
"""The request of the HTTP service that a run is for."""

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

_NAMES_SHOWN = 5


class Reason(StrEnum):
    """Why windows are loaded without anybody having asked."""

    SCHEDULED = "scheduled"
    """They closed."""
    MISSED = "missed"
    """They closed earlier and are not in the table: nothing ran then, or it failed."""
    DIFFERS = "differs"
    """Source and table hold different rows."""
    CHANGED = "changed"
    """Their source told that it got points in them after they were loaded."""
    REQUESTED = "requested"
    """The HTTP service was asked for them."""
    UNPROVED = "unproved"
    """They closed, and are not proved to be their source's: they are compared, and not loaded."""
    TAIL = "tail"
    """They are open, and the source has new points."""


def subject_tags(names: Sequence[str], windows: Iterable[Window]) -> dict[str, str]:
    """The tags that name what a run loads: which measurements, and which time."""
    windows = sorted(windows)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    named = {MEASUREMENT: names[0]} if len(names) == 1 else {MEASUREMENTS: ", ".join(names[:_NAMES_SHOWN]) + more}
    return {**named, WINDOW: str(Window(windows[0].start, windows[-1].end))}


def partition_tags(first: str, last: str) -> dict[str, str]:
    """The tags that make one run of a range of partitions."""
    return {RANGE_START: first, RANGE_END: last}


def partitions_of(run: dg.DagsterRun) -> tuple[str, str] | None:
    """The first and the last partition of a run, None where it has none. Keys of time sort like their times."""
    if (key := run.tags.get(PARTITION)) is not None:
        return key, key
    first, last = run.tags.get(RANGE_START), run.tags.get(RANGE_END)
    return (first, last) if first is not None and last is not None else None
