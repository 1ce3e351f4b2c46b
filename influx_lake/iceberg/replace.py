"""Replaces the rows of one window by others, in one snapshot."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.windows import Window
from influx_lake.iceberg.commit import Committed, Replacement
from influx_lake.iceberg.quarantine import Quarantine
from influx_lake.iceberg.rows import Rows, WindowRows
from influx_lake.iceberg.shape import Shape
from influx_lake.iceberg.table import ensure_table
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.translation import catalog_errors
from influx_lake.iceberg.writer import DataFileWriter

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

COMMIT_BUDGET = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class WindowCommit:
    """What one replacement of a window did.

    Attributes:
        window: The window.
        rows: How many rows the table holds for the window now.
        previous_rows: How many it held before.
        files_added: Data files written, also those that keep rows outside the window of a file that was split.
        files_removed: Data files dropped.
        bytes_written: Bytes of the files added.
        snapshot_id: The snapshot that did it.
        first_time: The time of the window's first row, None when it is empty.
        last_time: The time of its last row.
        preview: Its first rows as they were written, ten at most.
        total_rows: How many rows the whole table holds.
        table: The table with the snapshot.
        sources: Which column of the rows each column of the table was made of.
        quarantined_rows: How many rows went to the table's quarantine, for they did not fit the table.
    """

    window: Window
    rows: int
    previous_rows: int
    files_added: int
    files_removed: int
    bytes_written: int
    snapshot_id: int
    first_time: datetime | None
    last_time: datetime | None
    preview: pa.Table
    total_rows: int
    table: Table
    sources: Mapping[str, str]
    quarantined_rows: int


def replace_window(
    catalog: Catalog,
    target: TableTarget,
    rows: Rows,
    window: Window,
    provenance: Provenance,
    *,
    on_rows: Callable[[int], None] = lambda rows: None,
    approve: Callable[[int, int], None] = lambda rows, previous_rows: None,
    complete_until: datetime | None = None,
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
        approve: Told how many rows come and how many the table holds for the window, those in quarantine included,
            before each try to commit; raises to stop it.
        complete_until: The source may still get points from this time on: what of the window lies before it is recorded
            as loaded. Without it the whole window is.
        commit_budget: How long to try again when other writers win the race for the table.

    Raises:
        LakeError: Of the class that says what can be done about it; the table is unchanged, but for
            `CommitOutcomeUnknown`.
    """
    table, shape = ensure_table(catalog, target, rows.schema)
    writer = DataFileWriter(table, shape.schema, target)
    seen = WindowRows(target.time_column, window, target.name)
    commit_id = str(uuid.uuid4())
    with Quarantine(catalog, target, table, shape.misfits, window, provenance, commit_id) as quarantine:
        try:
            with catalog_errors(f"write files of {target.name}"):
                for batch in map(shape.apply, map(quarantine.sift, rows)):
                    if len(batch):
                        seen.see(batch)
                        writer.write(batch)
                        on_rows(seen.rows)
                files = writer.finish()
        except BaseException:
            writer.abort()
            raise
        approving = quarantine.committing_first(approve, commit_budget)
        loaded = window.until(complete_until) if complete_until else window
        replacement = Replacement(
            catalog, target, table, window, provenance, seen.rows, files, approving, loaded, commit_id
        )
        committed = replacement.run(commit_budget)
    return _result(window, seen, committed, shape, quarantine.rows)


def _result(
    window: Window, seen: WindowRows, committed: Committed, shape: Shape, quarantined_rows: int
) -> WindowCommit:
    snapshot = committed.table.metadata.snapshot_by_id(committed.snapshot_id)
    summary = snapshot.summary if snapshot else None
    return WindowCommit(
        window=window,
        rows=seen.rows,
        previous_rows=committed.previous_rows,
        files_added=len(committed.added),
        files_removed=len(committed.removed),
        bytes_written=sum(file.file_size_in_bytes for file in committed.added),
        snapshot_id=committed.snapshot_id,
        first_time=seen.first_time,
        last_time=seen.last_time,
        preview=seen.preview,
        total_rows=int(summary["total-records"] or 0) if summary else 0,
        table=committed.table,
        sources=shape.sources,
        quarantined_rows=quarantined_rows,
    )
