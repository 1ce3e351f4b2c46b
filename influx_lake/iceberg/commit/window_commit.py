"""The commit of a window's load: rows, provenance, coverage, and the table's schema changes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from influx_lake import recorder
from influx_lake.config import WriteMode
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.commit.commit_plan import Change, Planner
from influx_lake.iceberg.commit.committer import Committer
from influx_lake.iceberg.proofs.offloaded import check_spared
from influx_lake.iceberg.staging.staged import Staged, Staging
from influx_lake.iceberg.staging.staged_table import StagedTable
from influx_lake.iceberg.table_state import commit_log, ownership
from influx_lake.iceberg.table_state.commit_record import record
from influx_lake.iceberg.table_state.erased_rows import check_left_out
from influx_lake.iceberg.table_state.totals import PROPERTY as TOTALS
from influx_lake.iceberg.table_state.totals import totals_of
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit

COMMIT_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the histogram of commit durations, in seconds."""


@dataclass(slots=True)
class WindowCommit:
    """The commit of the load of a window.

    Attributes:
        load: The load.
        staging: The table that the files were written for, and the changes that are committed with them.
        planner: Plans the change.
        guard: The steps between a plan and its commit: the guard, which raises to stop it, and commits that have to
            come first.
        commit_id: The unique id of the load; recorded in the snapshot.
    """

    load: WindowLoad
    staging: Staging
    planner: Planner[Change]
    guard: Callable[[Change], None] = lambda change: None
    commit_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    again = "Run the window again"

    def run(self) -> WindowResult:
        """Commit the load.

        Returns:
            What changed in the table.

        Raises:
            LakeError: As `Committer.run`.
        """
        began = time.monotonic()
        done = Committer(self).run()
        change, seconds = done.change, time.monotonic() - began
        recorder.count_in_class("commit_duration_seconds", seconds, COMMIT_BOUNDS, table=self.target.name)
        return WindowResult(
            window=self.load.window,
            rows=change.rows,
            previous_rows=change.previous_rows,
            snapshot_id=done.snapshot_id,
            table=as_known(done.table, share=self.target.share),
            files_added=len(change.added),
            files_removed=len(change.removed),
            bytes_written=sum(file.file_size_in_bytes for file in change.added),
            notes=change.notes,
            commit_seconds=seconds,
        )

    @property
    def catalog(self) -> Catalog:
        return self.load.catalog

    @property
    def target(self) -> TableTarget:
        return self.load.target

    @property
    def table(self) -> Table:
        """The table that the files were written for."""
        return self.staging.first.actual

    @property
    def doing(self) -> str:
        return f"commit {self.load.window} to"

    def check(self, table: Table) -> None:
        """Check that the table is still this source's, and that nothing changed meanwhile that the load would undo."""
        ownership.check_owner(table, self.target, self.load.provenance)
        known = as_known(table, share=self.target.share)
        check_left_out(known, self.target.erased)
        if self.load.streamed is not None:
            self.load.streamed.check(known)
        check_spared(known, self.load.window, keeps_rows=self.target.write.mode is not WriteMode.REPLACE)

    def plan(self, table: Table) -> tuple[Staged, Change]:
        """Stage the changes that the rows need on the table as it is now, and plan on the result."""
        staged = self.staging.again(table)
        return staged, self.planner.plan(staged.table)

    def before_commit(self, change: Change) -> None:
        """Let the guard check the change, and make the commits that have to come first."""
        self.guard(change)

    def ask_for(self, table: Table, staged: StagedTable, change: Change) -> tuple[ReplaceCommit, dict[str, str]]:
        """Build the commit of a plan, and the table properties that record it."""
        from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit

        assert isinstance(staged, Staged)
        known = record(
            as_known(table, share=self.target.share),
            change.coverage,
            self.target,
            self.load.provenance,
            staged.ids.get(self.target.time_column),
            self.load.window,
            keeps_rows=change.keeps_rows,
            replaces=self.target.write.mode is not WriteMode.APPEND and self.load.stream is None,
        )
        summary = {
            "influx-lake.window": str(self.load.window),
            "influx-lake.rows": str(change.rows),
            "influx-lake.previous-rows": str(change.previous_rows),
            "influx-lake.source": self.load.provenance.source,
            "influx-lake.run-id": self.load.provenance.run_id,
            "influx-lake.commit-id": self.commit_id,
            **known.summary,
            **change.notes,
        }
        commit = ReplaceCommit(staged, change, summary)
        taken = {
            commit_log.PROPERTY: commit_log.recording(table, commit.snapshot_id),
            TOTALS: str(totals_of(table.metadata).adding(change.added)),
        }
        return commit, {**known.properties, **taken, **staged.properties, **change.properties}

    def written(self) -> list[DataFile]:
        """Every file that was written for any of the plans."""
        return self.planner.written()


def commit_id_of(snapshot: Snapshot) -> str | None:
    """The id of the load that made a snapshot; None where no load did."""
    return snapshot.summary.additional_properties.get("influx-lake.commit-id") if snapshot.summary else None
