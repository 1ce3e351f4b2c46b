"""Counts the rows of many windows, from metadata where possible."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.known_columns import as_known, share_of, time_field
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.reader import check_readable, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.scan.share_files import only_of_share

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.table.snapshots import Snapshot


def count_by_window(table: Table, windows: Sequence[Window], time_column: str = TIME) -> list[int]:
    """The number of rows of each of some windows, which do not overlap, oldest first.

    The table's manifests are read once. Only files that straddle a window's bound, or hold several measurements, are
    read, and of these only the columns that are needed.

    Raises:
        StorageError: A file cannot be read.
        CatalogRefused: The table has equality deletes.
    """
    if not windows:
        return []
    check_readable(table)
    table = as_known(table)
    counts = [0] * len(windows)
    starts = [window.start_us for window in windows]
    time_id = time_field(table, time_column).field_id
    span = RowFilter.of([Window(windows[0].start, windows[-1].end)], table, time_column)
    is_of_share = only_of_share(table)
    cut: list[FileScanTask] = []
    with catalog_errors(f"count the rows of {'.'.join(table.name())}"):
        for task in planned_files(table.scan(row_filter=span.expression(table))):
            bounds = time_bounds(task.file, time_id)
            if bounds is None or task.delete_files or not is_of_share(task.file):
                cut.append(task)
                continue
            first, last = (bisect_right(starts, bound) - 1 for bound in bounds)
            if first != last or (first >= 0 and bounds[0] < windows[first].end_us <= bounds[1]):
                cut.append(task)
            elif first >= 0 and bounds[1] < windows[first].end_us:
                counts[first] += task.file.record_count
    if cut:
        batches = read_tasks(table, cut, span, table.schema().select(time_column))
        _count(counts, windows, (batch.column(time_column).cast(pa.int64()) for batch in batches))
    return counts


def total_rows(table: Table, snapshot: Snapshot | None) -> int:
    """The number of viewed rows in a snapshot of a table.

    It comes from the snapshot's summary; where the table holds several measurements, from its files, of which those
    with rows of others too are read.

    Raises:
        StorageError: A file cannot be read.
    """
    share = share_of(table)
    if snapshot is None or share is None:
        return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0
    is_of_share, wanted = only_of_share(table), RowFilter.of(None, table)
    with catalog_errors(f"count the rows of {share.value} in {'.'.join(table.name())}"):
        tasks = planned_files(table.scan(row_filter=wanted.expression(table), snapshot_id=snapshot.snapshot_id))
    whole = [task for task in tasks if is_of_share(task.file) and not task.delete_files]
    mixed = [task for task in tasks if task not in whole]
    counted = sum(task.file.record_count for task in whole)
    if mixed:
        counted += sum(len(rows) for rows in read_tasks(table, mixed, wanted, table.schema().select(share.column)))
    return counted


def _count(counts: list[int], windows: Sequence[Window], times: Iterable[pa.Array]) -> None:
    import numpy as np

    starts = np.array([window.start_us for window in windows])
    ends = np.array([window.end_us for window in windows])
    for column in times:
        found = np.asarray(column.drop_null())
        places = np.searchsorted(starts, found, side="right") - 1
        inside = (places >= 0) & (found < ends[places])
        for place, count in enumerate(np.bincount(places[inside], minlength=len(windows))):
            counts[place] += int(count)
