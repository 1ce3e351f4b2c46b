"""Commits the load of a window on a branch anew, with the same files, after other commits to the table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from influx_lake.config import WriteMode
from influx_lake.errors import BranchOutdated
from influx_lake.iceberg.columns.known_columns import actual, as_known
from influx_lake.iceberg.commit.commit_plan import KEPT_ROWS, Change
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.history.branch_loads import PUBLISHED_FROM, check_fits, window_of
from influx_lake.iceberg.history.snapshot_view import as_of
from influx_lake.iceberg.merge.straddling_rows import StraddlingRows
from influx_lake.iceberg.proofs.offloaded import check_spared
from influx_lake.iceberg.scan.planning import WindowFiles, files_of
from influx_lake.iceberg.scan.reader import count_rows
from influx_lake.iceberg.staging.copied_folder import check_not_copied
from influx_lake.iceberg.staging.staged_table import StagedTable
from influx_lake.iceberg.table_state import commit_log, table_state
from influx_lake.iceberg.table_state.changes import BRANCH, MEASUREMENT, number, summary_of
from influx_lake.iceberg.table_state.commit_record import OTHERS, record
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.rebuilding import ROWS
from influx_lake.iceberg.table_state.state_encoding import SUMMARY
from influx_lake.iceberg.target import Provenance, TableTarget

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from influx_lake.config.values.windows import Window
    from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit

_OF_ITS_OWN = frozenset({SUMMARY, OTHERS, MEASUREMENT, BRANCH, "influx-lake.previous-rows"})
_OURS = "influx-lake."


@dataclass(slots=True)
class Replay:
    """Commits a load on a branch anew on top of another snapshot. `Committer(...).run()` makes it.

    Attributes:
        catalog: The catalog.
        target: The table, with the share of the load.
        table: The table.
        load: The snapshot of the load.
        base: The snapshot that the first load on the branch was made on.
        own: The snapshots of all loads on the branch.
        window: The window of the load.
    """

    catalog: Catalog
    target: TableTarget
    table: Table
    load: Snapshot
    base: int | None
    own: frozenset[int] = frozenset()
    window: Window = field(init=False)
    again = "Publish the branch again"
    _outside: StraddlingRows = field(init=False)

    def __post_init__(self) -> None:
        self.window = window_of(self.load)
        self._outside = StraddlingRows(self.target, self.window)

    @property
    def doing(self) -> str:
        return f"publish {self.window} in"

    def check(self, table: Table) -> None:
        """Check that the table's files are not those of another lake."""
        check_not_copied(table, self.target.name)

    def plan(self, table: Table) -> tuple[StagedTable, Change]:
        """Replace the table's files of the window by those of the branch."""
        staged = StagedTable.unchanged(table)
        known, loaded = self._known(table), self._known(as_of(table, self.load))
        check_fits(known, self.base, self.window, self.target.time_column, self.own)
        with catalog_errors(f"plan the publication of {self.window} in {self.target.name}"):
            there, coming = (files_of(each, self.window, self.target.time_column) for each in (known, loaded))
        self._check_files(table, loaded, coming)
        with catalog_errors(f"plan the publication of {self.window} in {self.target.name}"):
            kept = [self._outside.of(known, task) for task in there.straddling]
        added = {task.file.file_path: task.file for task in coming.inside}
        removed = {task.file.file_path: task.file for task in (*there.inside, *there.straddling)}
        both = added.keys() & removed.keys()
        change = Change(
            removed=tuple(file for path, file in removed.items() if path not in both),
            added=(
                *(file for path, file in added.items() if path not in both),
                *(file for part in kept for file in part.files),
            ),
            rows=number(self.load, ROWS),
            previous_rows=sum(task.file.record_count for task in there.inside) + sum(part.inside for part in kept),
            coverage=self._coverage(known, loaded),
            notes=self._notes(),
        )
        # A load from before the window was off-loaded may lack some of its rows.
        check_spared(known, self.window, keeps_rows=change.rows >= change.previous_rows)
        return staged, change

    def before_commit(self, change: Change) -> None:
        """Does nothing."""

    def ask_for(self, table: Table, staged: StagedTable, change: Change) -> tuple[ReplaceCommit, dict[str, str]]:
        """Build the commit of a plan, and the table properties: those of the load, for this snapshot."""
        from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit

        said = summary_of(self.load)
        loaded = table_state(self._known(as_of(table, self.load)))
        source = said.get("influx-lake.source", "")
        known = record(
            self._known(table),
            change.coverage,
            replace(self.target, tags=loaded.tags, definition=loaded.definition),
            Provenance(source, said.get("influx-lake.run-id", ""), declared=(loaded.owner or source,)),
            loaded.time_id,
            self.window,
            keeps_rows=change.keeps_rows,
            replaces=self.target.write.mode is not WriteMode.APPEND,
        )
        summary = {
            **change.notes,
            "influx-lake.previous-rows": str(change.previous_rows),
            PUBLISHED_FROM: str(self.load.snapshot_id),
            **known.summary,
        }
        commit = ReplaceCommit(staged, change, summary)
        return commit, {**known.properties, commit_log.PROPERTY: commit_log.recording(table, commit.snapshot_id)}

    def written(self) -> list[DataFile]:
        """The files that were written for plans; those of the load belong to the branch."""
        return self._outside.written()

    def _check_files(self, table: Table, loaded: Table, files: WindowFiles) -> None:
        """Check that the files inside the window hold all of its rows, and have the table's partition spec."""
        inside = sum(task.file.record_count for task in files.inside)
        suit = all(task.file.spec_id == table.spec().spec_id for task in files.inside)
        if not suit or (files.straddling and count_rows(loaded, self.window, self.target.time_column) != inside):
            raise BranchOutdated(
                f"the files of {self.window} on the branch of {self.target.name} were rewritten, or the table is "
                "partitioned otherwise by now",
                remedy="Load the window again, and drop the branch",
            )

    def _known(self, table: Table) -> Table:
        return as_known(actual(table), share=self.target.share)

    def _coverage(self, known: Table, loaded: Table) -> Coverage:
        """The table's coverage, with that of the branch inside the window."""
        mine, theirs = table_state(known).coverage, table_state(loaded).coverage.within([self.window])
        coverage = mine.losing([self.window])
        for part in theirs.intervals:
            coverage = coverage.adding(part)
        for part in theirs.tails:
            coverage = coverage.tailing(part)
        return coverage

    def _notes(self) -> dict[str, str]:
        said = summary_of(self.load)
        notes = {name: text for name, text in said.items() if name.startswith(_OURS) and name not in _OF_ITS_OWN}
        return notes | {KEPT_ROWS: said[KEPT_ROWS]} if KEPT_ROWS in said else notes
