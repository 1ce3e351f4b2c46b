"""Adds the rows of the time that was not loaded yet; what is loaded already is never added again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window, utc_text
from influx_lake.errors import RowsUnaccounted
from influx_lake.iceberg.commit.commit_plan import Change, Overtaken
from influx_lake.iceberg.load.ingest import taking_in
from influx_lake.iceberg.load.load_result import WindowCommit, unchanged, window_commit
from influx_lake.iceberg.load.replace import COMMIT_BUDGET
from influx_lake.iceberg.merge.written_rows import WrittenRows
from influx_lake.iceberg.scan.reader import count_rows, find_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.ownership import check_owner
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_rows import Rows
from influx_lake.iceberg.writer.writer import write_files

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


def append_window(
    catalog: Catalog,
    target: TableTarget,
    read: Callable[[Window], AbstractContextManager[Rows]],
    window: Window,
    provenance: Provenance,
    *,
    on_rows: Callable[[int], None] = lambda rows: None,
    commit_budget: timedelta = COMMIT_BUDGET,
) -> WindowCommit:
    """Add the rows of those parts of a window that were not loaded yet: what lies after the watermark.

    What is loaded is written in the commit of the rows, so that a run that is repeated, killed or overtaken by another
    adds nothing twice. Rows that come late to a time that is loaded are not seen.

    Args:
        catalog: The catalog.
        target: The table.
        read: Reads the rows of a part of the window.
        window: The window.
        provenance: Where the rows come from.
        on_rows: Told how many rows were written so far.
        commit_budget: How long to try again when other writers win the race for the table, or the catalog fails.

    Returns:
        What all parts came to; of the last commit its snapshot and table.

    Raises:
        RowsUnaccounted: The table holds rows of a time that no load says it loaded.
        LakeError: Of the class that says what can be done about it; the table is unchanged, but for
            `CommitOutcomeUnknown` and parts that were added before.
    """
    done: WindowCommit | None = None
    while True:
        table = find_table(catalog, target.identifier)
        missing = table_state(table).coverage.gaps(window) if table else (window,)
        if table is not None and not missing:
            check_owner(table, target.name, provenance)
            return done or unchanged(window, target, table)
        with read(missing[0]) as rows:
            before = done.rows - done.previous_rows if done else 0
            counting = partial(_tell, on_rows, before)
            try:
                part = _append(catalog, target, rows, window, missing[0], provenance, counting, commit_budget)
            except Overtaken:
                continue
            done = part.with_earlier(done) if done else part


def _tell(on_rows: Callable[[int], None], before: int, rows: int) -> None:
    on_rows(before + rows)


def _append(
    catalog: Catalog,
    target: TableTarget,
    rows: Rows,
    window: Window,
    part: Window,
    provenance: Provenance,
    on_rows: Callable[[int], None],
    commit_budget: timedelta,
) -> WindowCommit:
    with taking_in(catalog, target, rows.schema, part, provenance) as intake:
        files = write_files(intake.table, target, intake.batches(rows, on_rows), intake.shape.schema)
        written = WrittenRows(target, intake.table, files)
        addition = Addition(target, window, part, intake.seen.rows, written)
        return window_commit(window, intake, intake.commit(addition, commit_budget))


@dataclass(slots=True)
class Addition:
    """Adds files that hold the rows of a time that is not loaded.

    Attributes:
        target: The table.
        window: The window that is asked for.
        part: What of it is loaded now.
        rows: How many rows come.
        written_rows: The files that hold them.
    """

    target: TableTarget
    window: Window
    part: Window
    rows: int
    written_rows: WrittenRows

    def plan(self, table: Table) -> Change:
        """Add the files, if nobody else loaded their time."""
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
                f"{utc_text(self.part.end)}, and no load says that it loaded this time{told}: appending could double "
                "them",
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
        """The files of the rows."""
        return self.written_rows.written()
