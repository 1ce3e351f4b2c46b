"""Determines which windows to load again for the changes in the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from influx_lake.config import Lake
from influx_lake.config.values.windows import Window
from influx_lake.replication.changes.change import Change
from influx_lake.replication.changes.change_intake import nanoseconds
from influx_lake.replication.planning.due import DueWindow

MOST_WINDOWS = 400
"""The most windows of a measurement returned at once, for a change may span ten years; later calls return the others.
"""


@dataclass(frozen=True, slots=True)
class ChangedWindows:
    """The windows to load again for the changes in the journal.

    Attributes:
        due: The windows to load again, by measurement, newest first.
        forgotten: The tables with changes whose measurement is no longer in the lake, or cannot be loaded.
    """

    due: Sequence[DueWindow]
    forgotten: frozenset[str]


def changed_windows(
    lake: Lake,
    pending: Iterable[Change],
    now: datetime,
    skip: Callable[[DueWindow], bool] = lambda due: False,
    limit: int = MOST_WINDOWS,
    most: int | None = None,
) -> ChangedWindows:
    """Determine the windows to load again for pending changes.

    Args:
        lake: The lake.
        pending: The pending changes.
        now: The present.
        skip: Tells which windows to leave out, because another run loads them.
        limit: The most windows of one measurement.
        most: The most windows altogether; measurements that have waited longest come first.
    """
    known = {each.full_name: each for each in lake.measurements}
    of_table: dict[str, list[Change]] = defaultdict(list)
    moment = nanoseconds(now)
    for change in pending:
        # The source may not have its points yet.
        if change.since <= moment:
            of_table[change.table].append(change)
    due: list[DueWindow] = []
    waiting = {table: min(change.since for change in changes) for table, changes in of_table.items()}
    for table in sorted(of_table.keys() & known.keys(), key=lambda each: (waiting[each], each)):
        if most is not None and len(due) >= most:
            break
        changes = of_table[table]
        measurement, until, kept = known[table], now - known[table].lag, known[table].kept_since(now)
        found: dict[Window, None] = {}
        for change in sorted(changes, key=lambda each: each.last, reverse=True):
            windows = measurement.scheme.windows_back(max(kept, change.window.start), change.window.end)
            for window in islice(windows, limit):
                if window.end <= until and not skip(DueWindow(measurement, window)):
                    found[window] = None
            if len(found) >= limit:
                break
        due += [DueWindow(measurement, window) for window in islice(found, limit)]
    return ChangedWindows(due, frozenset(of_table.keys() - known.keys()))
