"""Maps rows to the table's columns, collects statistics, and sends rows that do not fit to the quarantine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.columns.row_mapping import Shape
from influx_lake.iceberg.commit.commit_plan import Change, Planner
from influx_lake.iceberg.commit.window_commit import WindowCommit
from influx_lake.iceberg.load.quarantine import Quarantine
from influx_lake.iceberg.load.tail import TailPlan
from influx_lake.iceberg.merge.copy_on_write import log_replaced
from influx_lake.iceberg.merge.written_rows import WrittenRows
from influx_lake.iceberg.staging.staged import Staging
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.iceberg.window_rows import WindowStatistics

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class Ingest(ABC):
    """The rows of a load, from their source to its table.

    Attributes:
        load: The load.
        staging: The table with every column of the rows, and their mapping to it.
        statistics: Statistics of the rows that the table takes.
        quarantine: Takes the rows that it does not.
        commit_id: The id that the commits of both tables share.
    """

    load: WindowLoad
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
        """The mapping of the rows to the table."""
        return self.staging.first.shape

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows that the table takes."""

    @abstractmethod
    def write(self, rows: Iterable[pa.RecordBatch] | None = None) -> WrittenRows:
        """The rows that the table takes, in files of it.

        Args:
            rows: The `batches`, as they come out of what they passed through. None: as they are.
        """

    def commit(self, planner: Planner[Change]) -> WindowResult:
        """Commit what is planned with the rows; see `Committer.run`.

        Each attempt plans, checks the guard, commits the quarantine (once), then the table. A crash in between leaves
        rows in both tables until the window is loaded again, and never in neither.

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
        return self.described(done)

    def described(self, done: WindowResult) -> WindowResult:
        """Add the statistics of the rows to the result of a commit."""
        return replace(
            done,
            first_time=self.statistics.first_time,
            last_time=self.statistics.last_time,
            preview=self.statistics.preview,
            sources=self.shape.sources,
            quarantined_rows=self.quarantine.rows,
        )


def statistics_of(load: WindowLoad) -> WindowStatistics:
    """Empty statistics for the rows of a load."""
    return WindowStatistics(load.target.time_column, load.window, load.target.name, load.target.share)
