"""Maps rows to the table's columns, collects their statistics, and sends those that do not fit to the quarantine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.columns.row_mapping import Shape
from influx_lake.iceberg.commit.commit_plan import Change, Planner
from influx_lake.iceberg.commit.window_commit import WindowCommit
from influx_lake.iceberg.load.ensure import table_for
from influx_lake.iceberg.load.quarantine import Quarantine
from influx_lake.iceberg.load.tail import TailPlan
from influx_lake.iceberg.merge.copy_on_write import log_replaced
from influx_lake.iceberg.staging.staged import Staging
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.iceberg.window_rows import Rows, WindowStatistics

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class Ingest:
    """The rows of a load on their way into its table.

    Attributes:
        load: The load.
        rows: The rows, as the source has them.
        staging: The table with every column of the rows, and how they become rows of it.
        statistics: Of the rows that the table takes.
        quarantine: Takes those that it cannot.
        commit_id: Ties the commits of both.
    """

    load: WindowLoad
    rows: Rows
    staging: Staging
    statistics: WindowStatistics
    quarantine: Quarantine
    commit_id: str

    @property
    def table(self) -> Table:
        """The table, with every column of the rows."""
        return self.staging.first.table

    @property
    def shape(self) -> Shape:
        """How the rows become rows of it."""
        return self.staging.first.shape

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that the table takes."""
        progress, batches = self.load.progress, iter(self.rows)
        while True:
            with progress.reading():
                batch = next(batches, None)
            if batch is None:
                return
            fit = self.shape.apply(self.quarantine.sift(batch))
            if len(fit):
                self.statistics.observe(fit)
                yield fit
                progress.add(len(fit))

    def commit(self, planner: Planner[Change]) -> WindowResult:
        """Commit what is planned of the rows; see `Committer.run`.

        Each try is planned, then guarded; then the quarantine is committed, once; then the table. A crash in between
        leaves rows in both tables until the window is loaded again, and never in neither.

        Args:
            planner: Plans the change.
        """
        load, quarantine = self.load, self.quarantine

        def before_commit(change: Change) -> None:
            rows, previous_rows = change.rows + quarantine.rows, change.previous_rows + quarantine.previous_rows
            load.guard.check(load.window, rows, previous_rows)
            quarantine.commit()

        if load.tail_of is not None:
            planner = TailPlan(planner, load.target, load.window, load.tail_of)
        done = WindowCommit(load, self.staging, planner, before_commit, self.commit_id).run()
        log_replaced(done.notes, load.target, load.window)
        return replace(
            done,
            first_time=self.statistics.first_time,
            last_time=self.statistics.last_time,
            preview=self.statistics.preview,
            sources=self.shape.sources,
            quarantined_rows=quarantine.rows,
        )


@contextmanager
def open_ingest(load: WindowLoad) -> Iterator[Ingest]:
    """Read the rows of a load, its table made ready for them.

    Leaving the context ends the reading, and deletes the rows in quarantine that were not committed.

    Raises:
        LakeError: The source cannot be read, or the table cannot take such rows; see `table_for`.
    """
    with load.read(load.window) as rows:
        staging = Staging(rows.schema, load.target, table_for(load.catalog, load.target, rows.schema, load.provenance))
        statistics = WindowStatistics(load.target.time_column, load.window, load.target.name, load.target.share)
        commit_id = str(uuid.uuid4())
        with Quarantine(load, staging.first, commit_id) as quarantine:
            yield Ingest(load, rows, staging, statistics, quarantine, commit_id)
