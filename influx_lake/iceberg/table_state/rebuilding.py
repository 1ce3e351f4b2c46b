"""What a table holds, from its row counts, where the ancestors of its snapshot are gone."""

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
    """What of the time that was loaded certainly is there: the windows with no fewer rows than their load left there.

    Of all other time nothing is known; it is loaded again.

    Args:
        table: The table.
        known: The time that was loaded.
        loads: The snapshots of loads, newest first; others among them are passed over.
        time_column: The column that places a row in a window.
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
        # Deletes that cannot be read, files that are gone: a load of the table names them.
        return Coverage()
    return known.within(window for window, count in zip(windows, counts, strict=True) if count >= left[window])


def loaded_by(known: Coverage, loads: Iterable[Snapshot], share: Share | None = None) -> Coverage:
    """What of some time the loads that led to a snapshot brought."""
    return known.within(window for snapshot in filter(is_ours, loads) if (window := window_of_load(snapshot, share)))


def window_of_load(snapshot: Snapshot, share: Share | None = None) -> Window | None:
    """The window that a load was of; None where it was of another measurement."""
    window = summary_of(snapshot).get(WINDOW) if is_load_of(snapshot, share) else None
    return Window.parse(window) if window else None
