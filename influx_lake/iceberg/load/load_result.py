"""What loading a window did to its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.commit.commit_plan import Change
from influx_lake.iceberg.commit.committer import Committed
from influx_lake.iceberg.load.ingest import Intake
from influx_lake.iceberg.scan.reader import count_rows
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_rows import WindowRows

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class WindowCommit:
    """What loading a window did.

    Attributes:
        window: The window.
        rows: How many rows the table holds for the window now.
        previous_rows: How many it held before.
        files_added: Data files written, also those that keep rows outside the window of a file that was split.
        files_removed: Data files dropped.
        bytes_written: Bytes of the files added.
        snapshot_id: The snapshot that did it; the table's current one when there was nothing to do.
        first_time: The time of the first row that came, None when none did.
        last_time: The time of the last one.
        preview: The first rows as they were written, ten at most.
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

    def with_earlier(self, earlier: WindowCommit) -> WindowCommit:
        """The figures of this commit and of one before it, of another part of the window, as those of one load."""
        firsts = [time for time in (earlier.first_time, self.first_time) if time is not None]
        lasts = [time for time in (earlier.last_time, self.last_time) if time is not None]
        return replace(
            self,
            previous_rows=earlier.previous_rows,
            files_added=earlier.files_added + self.files_added,
            files_removed=earlier.files_removed + self.files_removed,
            bytes_written=earlier.bytes_written + self.bytes_written,
            first_time=min(firsts, default=None),
            last_time=max(lasts, default=None),
            preview=earlier.preview if len(earlier.preview) else self.preview,
            sources={**earlier.sources, **self.sources},
            quarantined_rows=earlier.quarantined_rows + self.quarantined_rows,
        )


def window_commit(window: Window, intake: Intake, committed: Committed) -> WindowCommit:
    """The figures of a commit of rows that were taken in."""
    return _figures(window, intake.seen, committed, intake.shape.sources, intake.quarantine.rows)


def unchanged(window: Window, target: TableTarget, table: Table) -> WindowCommit:
    """The figures of a load that had nothing to do."""
    held = count_rows(table, window, target.time_column)
    change = Change((), (), held, held, table_state(table).coverage)
    snapshot = table.current_snapshot()
    committed = Committed(table, snapshot.snapshot_id if snapshot else -1, change)
    names = {column.name: column.name for column in table.schema().fields}
    return _figures(window, WindowRows(target.time_column, window, target.name), committed, names, 0)


def _figures(
    window: Window, seen: WindowRows, committed: Committed, sources: Mapping[str, str], quarantined_rows: int
) -> WindowCommit:
    change = committed.change
    return WindowCommit(
        window=window,
        rows=change.rows,
        previous_rows=change.previous_rows,
        files_added=len(change.added),
        files_removed=len(change.removed),
        bytes_written=sum(file.file_size_in_bytes for file in change.added),
        snapshot_id=committed.snapshot_id,
        first_time=seen.first_time,
        last_time=seen.last_time,
        preview=seen.preview,
        total_rows=_total_rows(committed.table, committed.snapshot_id),
        table=committed.table,
        sources=sources,
        quarantined_rows=quarantined_rows,
    )


def _total_rows(table: Table, snapshot_id: int) -> int:
    # A commit that was found in the table after an error may have lost its snapshot to an expiry.
    snapshot = table.metadata.snapshot_by_id(snapshot_id) or table.current_snapshot()
    return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0
