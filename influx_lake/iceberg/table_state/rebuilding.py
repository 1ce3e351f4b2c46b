"""Rebuilds a table's coverage from row counts, where the ancestors of its snapshot are gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.scan.reader import check_readable
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.iceberg.table_state.changes import is_load_of, number, summary_of
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.lineage import is_ours

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

WINDOW = "influx-lake.window"
ROWS = "influx-lake.rows"


def rebuilt(table: Table, known: Coverage, loads: Iterable[Snapshot], time_column: str) -> Coverage:
    """The covered time that is certainly in the table: the windows with at least as many rows as their load recorded.

    The state of all other time is unknown, and it is loaded again.

    Args:
        table: The table.
        known: The coverage so far.
        loads: The snapshots of loads, newest first; snapshots of other tools among them are ignored.
        time_column: The time column.
    """
    left: dict[Window, int] = {}
    share = share_of(table)
    for snapshot in filter(is_ours, loads):
        window = window_of_load(snapshot, share)
        if window and all(window.end <= other.start or other.end <= window.start for other in left):
            left[window] = number(snapshot, ROWS)
    windows = sorted(window for window in left if known.holds(window))
    try:
        check_readable(table)
        counts = count_by_window(table, windows, time_column)
    except LakeError:
        # Delete files that cannot be read, or missing files: a load of the table reports them.
        return Coverage()
    return known.within(window for window, count in zip(windows, counts, strict=True) if count >= left[window])


def loaded_by(known: Coverage, loads: Iterable[Snapshot], share: Share | None = None) -> Coverage:
    """The part of a coverage that was loaded by the ancestors of a snapshot."""
    return known.within(window for snapshot in filter(is_ours, loads) if (window := window_of_load(snapshot, share)))


def window_of_load(snapshot: Snapshot, share: Share | None = None) -> Window | None:
    """The window of a load; None where it was of another measurement."""
    window = summary_of(snapshot).get(WINDOW) if is_load_of(snapshot, share) else None
    return Window.parse(window) if window else None
