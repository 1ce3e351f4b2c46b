"""Append mode: adds rows of time that is not covered yet; covered time never gets rows again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window, utc_text
from influx_lake.errors import RowsUnaccounted
from influx_lake.iceberg.commit.commit_plan import Change, Overtaken
from influx_lake.iceberg.load.opening import open_ingest
from influx_lake.iceberg.merge.written_rows import WrittenRows
from influx_lake.iceberg.scan.reader import count_rows, find_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.ownership import check_owner
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


def append_window(load: WindowLoad) -> WindowResult:
    """Add the rows of those parts of a window that are not covered yet: those after the watermark.

    Coverage is recorded in the commit of the rows, so that a run that is repeated, killed or overtaken by another adds
    nothing twice. Rows that arrive late in covered time are not loaded.

    Returns:
        The results of all parts combined, with the snapshot and table of the last commit.

    Raises:
        RowsUnaccounted: The table holds rows of time that no load covers.
        LakeError: Its class tells what can be done about it; the table is unchanged, except after
            `CommitOutcomeUnknown`, and by parts that were added before.
    """
    done: WindowResult | None = None
    while True:
        table = find_table(load.catalog, load.target.identifier, load.target.share)
        missing = table_state(table).coverage.gaps(load.window) if table else (load.window,)
        if table is not None and not missing:
            check_owner(table, load.target, load.provenance)
            return done or _unchanged(load, table)
        load.progress.rows = done.rows - done.previous_rows if done else 0
        try:
            part = _append(load, missing[0])
        except Overtaken:
            continue
        done = part.with_earlier(done) if done else part


def _unchanged(load: WindowLoad, table: Table) -> WindowResult:
    """The result of a load that has nothing to do."""
    rows = count_rows(table, load.window, load.target.time_column)
    snapshot = table.metadata.current_snapshot_id
    names = {column.name: (column.name,) for column in table.schema().fields}
    return WindowResult(load.window, rows, rows, -1 if snapshot is None else snapshot, table, sources=names)


def _append(load: WindowLoad, part: Window) -> WindowResult:
    with open_ingest(replace(load, window=part)) as ingest:
        written = ingest.write()
        done = ingest.commit(Addition(load.target, load.window, part, ingest.statistics.rows, written))
        return replace(done, window=load.window)


@dataclass(slots=True)
class Addition:
    """Plans files for time that is not covered.

    Attributes:
        target: The table.
        window: The window that is loaded.
        part: The part of it that is loaded now.
        rows: The number of loaded rows.
        written_rows: The files that hold them.
    """

    target: TableTarget
    window: Window
    part: Window
    rows: int
    written_rows: WrittenRows

    def plan(self, table: Table) -> Change:
        """Add the files, unless another run loaded their time."""
        coverage = table_state(table).coverage
        if self.part not in coverage.gaps(self.window):
            raise Overtaken
        unaccounted = count_rows(table, self.part, self.target.time_column)
        if unaccounted:
            others = table_state(table).others_in(self.part)
            told = f" (others: {'; '.join(map(str, others[-3:]))})" if others else ""
            bounds = f"--start {utc_text(self.window.start)} --end {utc_text(self.window.end)}"
            raise RowsUnaccounted(
                f"{self.target.name} holds {unaccounted:,} rows from {utc_text(self.part.start)} to "
                f"{utc_text(self.part.end)}, and no load covers this time{told}: appending could duplicate them",
                remedy="To have the source's rows alone there: influx-lake replicate "
                f"{self.target.name} {bounds} --replace",
            )
        previous = count_rows(table, self.window, self.target.time_column)
        after = coverage.adding(self.part)
        return Change(
            removed=(),
            added=tuple(self.written_rows.of(table)),
            rows=previous + self.rows,
            previous_rows=previous,
            coverage=after,
            notes={"influx-lake.watermark": utc_text(after.intervals[-1].end)},
        )

    def written(self) -> list[DataFile]:
        """The files of the loaded rows."""
        return self.written_rows.written()
