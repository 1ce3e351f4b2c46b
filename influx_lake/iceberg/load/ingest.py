"""Maps rows to the table's columns, collects their statistics, and sends those that do not fit to the quarantine."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.row_mapping import Shape
from influx_lake.iceberg.commit.commit_plan import Change, Planner
from influx_lake.iceberg.commit.committer import Committed, Committer
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.load.quarantine import Quarantine
from influx_lake.iceberg.staging.staged import Staging
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_rows import Rows, WindowRows

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

Guard = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Intake:
    """What takes the rows of a window in.

    Attributes:
        staging: The table with every column of the rows, and how they become rows of it.
        seen: What is known of the rows that were taken.
        quarantine: Takes those that the table cannot.
        commit_id: Ties the commits of both.
        catalog: The catalog of the table.
        target: The table as its writer wants it.
        window: The window.
        provenance: Where the rows come from.
    """

    staging: Staging
    seen: WindowRows
    quarantine: Quarantine
    commit_id: str
    catalog: Catalog
    target: TableTarget
    window: Window
    provenance: Provenance

    @property
    def table(self) -> Table:
        """The table, with every column of the rows."""
        return self.staging.first.table

    @property
    def shape(self) -> Shape:
        """How the rows become rows of it."""
        return self.staging.first.shape

    def batches(self, rows: Rows, on_rows: Callable[[int], None]) -> Iterator[pa.RecordBatch]:
        """The rows that the table takes; tells how many came so far each time the next ones are asked for."""
        for batch in map(self.shape.apply, map(self.quarantine.sift, rows)):
            if len(batch):
                self.seen.see(batch)
                yield batch
                on_rows(self.seen.rows)

    def commit(self, planner: Planner, budget: timedelta, guard: Guard = lambda rows, previous_rows: None) -> Committed:
        """Commit what is planned of the rows; see `Committer.run`.

        Each try is planned, then guarded; then the quarantine is committed, once; then the table. A crash in between
        leaves rows in both tables until the window is loaded again, and never in neither.

        Args:
            planner: Plans the change.
            budget: How long to try again.
            guard: Told how many rows the window has afterwards and now, in the table and in quarantine; raises to stop.
        """

        def before_commit(change: Change) -> None:
            quarantine = self.quarantine
            guard(change.rows + quarantine.rows, change.previous_rows + quarantine.previous_rows)
            quarantine.commit(budget)

        committer = Committer(
            self.catalog,
            self.target,
            self.staging,
            self.window,
            self.provenance,
            planner,
            before_commit,
            self.commit_id,
        )
        return committer.run(budget)


@contextmanager
def taking_in(
    catalog: Catalog, target: TableTarget, columns: pa.Schema, window: Window, provenance: Provenance
) -> Iterator[Intake]:
    """Make a table ready for the rows of a window; leaving it deletes what was taken out of them and not committed.

    Raises:
        LakeError: The table cannot take such rows; see `table_for`.
    """
    staging = Staging(columns, target, table_for(catalog, target, columns, provenance))
    seen, commit_id = WindowRows(target.time_column, window, target.name), str(uuid.uuid4())
    with Quarantine(catalog, target, staging.first, window, provenance, commit_id) as quarantine:
        yield Intake(staging, seen, quarantine, commit_id, catalog, target, window, provenance)
