"""Records windows that other tools loaded as covered, in a commit that adds no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.errors import CommitConflict
from influx_lake.iceberg.commit.commit_plan import KEPT_ROWS, Change
from influx_lake.iceberg.commit.window_commit import WindowCommit
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.iceberg.staging.staged import Staging
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class SeenWindow:
    """A window of the table, as it was compared with the source.

    Attributes:
        window: The window.
        rows: Rows that the table had for it.
        kept: Those of them that the source does not have.
    """

    window: Window
    rows: int
    kept: int = 0


def confirm_windows(load: WindowLoad, columns: pa.Schema, seen: Sequence[SeenWindow]) -> WindowResult:
    """Record windows as covered, in one commit that changes no row; the source becomes the table's owner.

    Args:
        load: A load from the first window's start to the last one's end. Its rows are not read.
        columns: The Arrow schema of the source's rows.
        seen: The windows, oldest first, each adjacent to the next.

    Raises:
        CommitConflict: The number of rows of a window has changed.
        LakeError: The table cannot take rows of the source, or the catalog fails.
    """
    staging = Staging(columns, load.target, table_for(load.catalog, load.target, columns, load.provenance))
    return WindowCommit(load, staging, _Confirmation(load, seen)).run()


@dataclass(frozen=True, slots=True)
class _Confirmation:
    """Plans the commit that changes coverage and properties only.

    Attributes:
        load: The load.
        seen: The windows.
    """

    load: WindowLoad
    seen: Sequence[SeenWindow]

    def plan(self, table: Table) -> Change:
        """Record the windows as covered, if the table still has as many rows for each as were seen."""
        found = count_by_window(table, [each.window for each in self.seen], self.load.target.time_column)
        for each, rows in zip(self.seen, found, strict=True):
            if rows != each.rows:
                raise CommitConflict(
                    f"another writer changed {self.load.target.name} meanwhile: {each.window} had {each.rows:,} rows "
                    f"when it was compared, and has {rows:,}",
                    remedy="See that nothing else writes to the table, and run it again",
                )
        coverage = table_state(table).coverage
        for each in self.seen:
            until = self.load.complete_until
            coverage = coverage.replacing(each.window, each.window if until is None else each.window.until(until))
        rows, kept = sum(found), sum(each.kept for each in self.seen)
        notes = {KEPT_ROWS: str(kept)} if kept else {}
        return Change(rows=rows, previous_rows=rows, coverage=coverage, notes=notes)

    def written(self) -> list[DataFile]:
        """No file is written."""
        return []
