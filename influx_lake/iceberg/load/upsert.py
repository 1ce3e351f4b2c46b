"""Gives points of a window their new values, adds new ones and keeps the others, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.commit.commit_plan import Planner, Planning, as_planned
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.load.ingest import taking_in
from influx_lake.iceberg.load.load_result import WindowCommit, window_commit
from influx_lake.iceberg.load.replace import COMMIT_BUDGET
from influx_lake.iceberg.merge.copy_on_write import Merge, as_read, tell_replaced
from influx_lake.iceberg.merge.keep_unmatched import Overlay
from influx_lake.iceberg.merge.key_set import OtherPoints, PointsAside
from influx_lake.iceberg.merge.point_key import point_key
from influx_lake.iceberg.scan.reader import arrow_schema
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_rows import Rows
from influx_lake.iceberg.writer.writer import write_files
from influx_lake.temporary_files import temporary_directory

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def upsert_window(
    catalog: Catalog,
    target: TableTarget,
    rows: Rows,
    window: Window,
    provenance: Provenance,
    *,
    merge_fields: bool = False,
    on_rows: Callable[[int], None] = lambda rows: None,
    complete_until: datetime | None = None,
    planning: Planning = as_planned,
    commit_budget: timedelta = COMMIT_BUDGET,
) -> WindowCommit:
    """Lay rows over those that the table holds for a window: new values win, points that do not come stay.

    Doing it again leaves the same rows. Points are the same where the target's key and the time are. What is raised is
    what `replace_window` raises.

    Args:
        catalog: The catalog.
        target: The table; its key and the time tell points apart.
        rows: Rows of the window, and none outside it.
        window: The window.
        provenance: Where the rows come from.
        merge_fields: Let a null that comes keep the value that is there.
        on_rows: Told how many rows came so far.
        complete_until: As for `replace_window`.
        planning: As for `replace_window`.
        commit_budget: As for `replace_window`.
    """
    loaded = window.until(complete_until) if complete_until else window
    with ExitStack() as stack:
        intake = stack.enter_context(taking_in(catalog, target, rows.schema, window, provenance))
        key = point_key(target, intake.shape.schema)
        batches = as_read(intake.batches(rows, on_rows), intake.table)
        planner: Planner
        # Files of sorted rows no longer tell which of two rows of a point came last.
        if merge_fields or target.write.sort_by:
            schema = arrow_schema(intake.table.schema())
            merge = stack.enter_context(closing(Merge(target, window, loaded, schema, key, merge_fields)))
            with catalog_errors(f"keep rows of {target.name} aside"):
                merge.take(batches)
            planner = merge
        else:
            folder = Path(stack.enter_context(temporary_directory("influx-lake-upsert-")))
            points, other = PointsAside(key, window, folder), OtherPoints(key, window, folder)
            files = write_files(intake.table, target, other.noting(points.noting(batches)), intake.shape.schema)
            planner = Overlay(target, window, loaded, intake.table, files, intake.seen, points, other)
            stack.enter_context(closing(planner))
        committed = intake.commit(planning(planner), commit_budget)
        tell_replaced(committed.change, target, window)
        return window_commit(window, intake, committed)
