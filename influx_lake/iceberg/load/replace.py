"""Replaces the rows of one window by others, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.commit.commit_plan import Planning, as_planned
from influx_lake.iceberg.load.ingest import taking_in
from influx_lake.iceberg.load.load_result import WindowCommit, window_commit
from influx_lake.iceberg.load.replace_plan import Replacement
from influx_lake.iceberg.merge.copy_on_write import tell_replaced
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_rows import Rows
from influx_lake.iceberg.writer.writer import write_files

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

COMMIT_BUDGET = timedelta(minutes=10)

__all__ = ["WindowCommit", "replace_window"]


def replace_window(
    catalog: Catalog,
    target: TableTarget,
    rows: Rows,
    window: Window,
    provenance: Provenance,
    *,
    on_rows: Callable[[int], None] = lambda rows: None,
    approve: Callable[[int, int], None] = lambda rows, previous_rows: None,
    keeps_missing: Callable[[int, int], bool] = lambda rows, previous_rows: False,
    complete_until: datetime | None = None,
    planning: Planning = as_planned,
    commit_budget: timedelta = COMMIT_BUDGET,
) -> WindowCommit:
    """Replace exactly the rows of a window by the rows that come, in one snapshot, or change nothing.

    The table is made on first use. Rows are streamed to files as they come; only then are the files committed, so a
    failure or a crash at any earlier moment leaves the table as it was.

    Args:
        catalog: The catalog.
        target: The table.
        rows: Every row of the window, and none outside it.
        window: The window.
        provenance: Where the rows come from.
        on_rows: Told how many rows were written so far.
        approve: Told how many rows the window has afterwards and now, those in quarantine included, before each try to
            commit; raises to stop it.
        keeps_missing: Told how many rows come and how many the table holds for the window; whether points that the
            table holds and that do not come stay.
        complete_until: The source may still get points from this time on: what of the window lies before it is recorded
            as loaded. Without it the whole window is.
        planning: What has to hold for the commit besides.
        commit_budget: How long to try again when other writers win the race for the table, or the catalog fails.

    Raises:
        LakeError: Of the class that says what can be done about it; the table is unchanged, but for
            `CommitOutcomeUnknown`.
    """
    loaded = window.until(complete_until) if complete_until else window
    with taking_in(catalog, target, rows.schema, window, provenance) as intake:
        files = write_files(intake.table, target, intake.batches(rows, on_rows), intake.shape.schema)
        replacement = Replacement(target, window, loaded, intake.table, intake.seen.rows, files, keeps_missing)
        with closing(replacement):
            committed = intake.commit(planning(replacement), commit_budget, approve)
            tell_replaced(committed.change, target, window)
            return window_commit(window, intake, committed)
