"""The commit of a change that is no load: the table's recorded state is carried over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyiceberg.table.snapshots import Operation

from influx_lake.iceberg.commit.commit_plan import FileChange, Planner
from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit, ReplaceFiles
from influx_lake.iceberg.staging.copied_folder import check_not_copied
from influx_lake.iceberg.staging.staged_table import StagedTable
from influx_lake.iceberg.table_state import TableState, commit_log
from influx_lake.iceberg.table_state.commit_record import carried_over
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

MAINTENANCE = "influx-lake.maintenance"
"""The property of a snapshot's summary: the kind of maintenance that made it."""


@dataclass(slots=True)
class MaintenanceCommit:
    """The commit of a change of a whole table that adds no rows of a source. `Committer(...).run()` makes it.

    The snapshot is a `replace` by default: files replaced by others with the same rows. It records the table's state,
    as that of a load does; a table into which none of our loads wrote gets no such record.

    Attributes:
        catalog: The catalog.
        target: The whole table.
        table: The table as it was when the first files were written for it.
        kind: The kind of maintenance, as one word.
        run_id: The run that does it.
        planner: Plans the change.
        operation: The snapshot's operation; None: as its files imply.
        producer: Makes the snapshot.
        state: Computes the new state of the table, or of each measurement in it.
        properties: Table properties that change with it.
        guard: Checks a plan before it is committed; raises to stop it.
    """

    catalog: Catalog
    target: TableTarget
    table: Table
    kind: str
    run_id: str
    planner: Planner[FileChange]
    operation: Operation | None = Operation.REPLACE
    producer: type[ReplaceFiles] = ReplaceFiles
    state: Callable[[str | None, TableState], TableState] = lambda share, state: state
    properties: Mapping[str, str] = field(default_factory=dict)
    guard: Callable[[FileChange], None] = lambda change: None

    @property
    def doing(self) -> str:
        return f"commit {self.kind} to"

    @property
    def again(self) -> str:
        """What the user does to repeat it."""
        return "Run the maintenance again"

    def check(self, table: Table) -> None:
        """Check that the table's files are not those of another lake."""
        check_not_copied(table, self.target.name)

    def plan(self, table: Table) -> tuple[StagedTable, FileChange]:
        """Plan on the table as it is now."""
        staged = StagedTable.unchanged(table)
        return staged, self.planner.plan(staged.table)

    def before_commit(self, change: FileChange) -> None:
        """Let the guard check the change."""
        self.guard(change)

    def ask_for(self, table: Table, staged: StagedTable, change: FileChange) -> tuple[ReplaceCommit, dict[str, str]]:
        """Build the commit of a plan, and the table properties that record it."""
        known = carried_over(staged.table, self.state)
        said = {MAINTENANCE: self.kind, "influx-lake.run-id": self.run_id, **change.notes}
        summary = said | (known.summary if known else {})
        commit = ReplaceCommit(staged, change, summary, self.operation, self.producer)
        taken = {commit_log.PROPERTY: commit_log.recording(table, commit.snapshot_id)} if known else {}
        return commit, {**(known.properties if known else {}), **taken, **self.properties}

    def written(self) -> list[DataFile]:
        """Every file that was written for any of the plans."""
        return self.planner.written()
