"""How many rows each of many windows has, from one look at the table's manifests."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from influx_lake.config.columns import TIME
from influx_lake.config.windows import Window
from influx_lake.iceberg.reader import count_rows
from influx_lake.iceberg.translation import catalog_errors
from influx_lake.iceberg.window_files import in_windows, time_bounds

if TYPE_CHECKING:
    from pyiceberg.table import Table


def rows_by_window(table: Table, windows: Sequence[Window], time_column: str = TIME) -> dict[Window, int]:
    """Count the rows of windows. No file is opened but those that reach across a window's bounds.

    Args:
        table: The table.
        windows: The windows, oldest first; no two of them share time.
        time_column: The column the windows apply to.
    """
    counts, unsure = dict.fromkeys(windows, 0), set[Window]()
    if not windows:
        return counts
    time_id = table.schema().find_field(time_column).field_id
    starts = [window.start_us for window in windows]
    span = Window(windows[0].start, windows[-1].end)
    with catalog_errors(f"count the rows of {'.'.join(table.name())}"):
        tasks = list(table.scan(row_filter=in_windows([span], table, time_column)).plan_files())
    for task in tasks:
        bounds = time_bounds(task.file, time_id)
        first, last = bounds or (span.start_us, span.end_us - 1)
        touched = windows[max(0, bisect_right(starts, first) - 1) : bisect_right(starts, last)]
        touched = [window for window in touched if window.start_us <= last and first < window.end_us]
        inside = len(touched) == 1 and touched[0].start_us <= first and last < touched[0].end_us
        if inside and bounds and not task.delete_files:
            counts[touched[0]] += task.file.record_count
        else:
            unsure.update(touched)
    return {
        window: count_rows(table, window, time_column) if window in unsure else counts[window] for window in windows
    }
