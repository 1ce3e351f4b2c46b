"""Has a query engine do one kind of maintenance of one table, and reports it as maintenance by this process is.

The engine commits its own snapshots; what is recorded in ours (coverage, provenance) is carried over to a new one, and
kept where the engine expires ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.options import CompactOptions, Kind, MaintenanceOptions
from influx_lake.config.values.units import counted
from influx_lake.iceberg.columns.known_columns import actual, as_known, time_field
from influx_lake.iceberg.commit.commit_plan import FileChange, NothingNew
from influx_lake.iceberg.commit.committer import Committer
from influx_lake.iceberg.commit.maintenance_commit import MaintenanceCommit
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.compaction.selection import FileSizes, select
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.maintenance.figures import TableFigures, table_figures
from influx_lake.iceberg.maintenance.retained_snapshots import Expiry, expiring, expiry_of
from influx_lake.iceberg.maintenance.task import Maintained, TableTask
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.iceberg.staging.copied_folder import check_not_copied
from influx_lake.iceberg.storage.table_folders import check_alone
from influx_lake.iceberg.table_state.changes import number
from influx_lake.iceberg.table_state.current_state import states_to_carry_over
from influx_lake.iceberg.table_state.lineage import last_commit
from influx_lake.maintenance.engines.due_time import due_time
from influx_lake.maintenance.engines.engine import QueryEngine, Work

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableUpdate

ENGINE = "influx-lake.engine"
"""The summary property that marks our snapshots after an engine's: they carry on what is recorded in the table."""
_DONE = {
    "files_removed": "deleted-data-files",
    "files_added": "added-data-files",
    "bytes_removed": "removed-files-size",
    "bytes_added": "added-files-size",
    "delete_files_removed": "removed-delete-files",
    "manifests_removed": "manifests-replaced",
    "manifests_added": "manifests-created",
}
"""Our figures, and the properties of an engine's snapshot summary that they are read from."""


def maintained_by(engine: QueryEngine, task: TableTask, kind: Kind, options: MaintenanceOptions) -> Maintained:
    """Have an engine do one kind of maintenance, where it is due.

    Args:
        engine: The engine, which supports the kind.
        task: The table.
        kind: The kind of maintenance.
        options: The options of this kind, and of the others.

    Raises:
        EngineError: The engine refuses, fails, or does not answer.
        TableUnsupported: Orphans would be removed, and files of another table are in the same folders.
        LakeError: The catalog or the store fails.
    """
    run = _Run(engine, task, kind, options)
    return run.run()


@dataclass(slots=True)
class _Run:
    engine: QueryEngine
    task: TableTask
    kind: Kind
    options: MaintenanceOptions
    done: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    statements: tuple[str, ...] = ()
    snapshot_id: int | None = None

    def run(self) -> Maintained:
        table = self._opened()
        before = after = self._figures(table)
        work = self._due(table, before)
        if work is not None:
            if Kind.REMOVE_ORPHANS in self.engine.does(self.kind):
                check_alone(self.task.catalog, actual(table))
            self.statements = self.engine.statements(work)
            if not self.task.dry_run:
                self._do(work)
                after = self._figures(self._opened())
        return Maintained(
            self.kind,
            self.task.target.name,
            before,
            after,
            dict(self.done),
            dry_run=self.task.dry_run,
            snapshot_id=self.snapshot_id,
            left=tuple(self.left),
            statements=self.statements,
        )

    def _opened(self) -> Table:
        table = open_table(self.task.catalog, self.task.target.identifier)
        check_not_copied(table, self.task.target.name)
        return table

    def _figures(self, table: Table) -> TableFigures:
        with catalog_errors(f"count the files of {self.task.target.name}"):
            return table_figures(table, self._sizes(table).small)

    def _sizes(self, table: Table) -> FileSizes:
        return FileSizes.of(table, self.task.target, self.options.compact or CompactOptions())

    def _due(self, table: Table, figures: TableFigures) -> Work | None:
        """The work to do; None where nothing is due, so that the engine need not start."""
        for other in self.engine.does(self.kind):
            if self.options.of(other) is None:
                self.left.append(f"{self.engine.engine} does {other} with it, which is off here: switch it on")
                return None
        name = self.task.target.identifier
        work = Work(self.kind, self.options, name, actual(table), self._sizes(table), self.task.now)
        if self.kind is Kind.COMPACT:
            return self._compaction(as_known(table), work)
        if self.kind is Kind.REWRITE_MANIFESTS:
            manifests = self.options.rewrite_manifests
            return work if manifests is not None and figures.manifests >= manifests.min_manifests else None
        expire = self.options.expire_snapshots
        if self.kind is Kind.EXPIRE_SNAPSHOTS and expire is not None:
            snapshots = len(expiring(actual(table), expire, self.task.now).snapshots)
            if self.task.dry_run and snapshots:
                self.done["snapshots_expired"] = snapshots
            if not snapshots:
                return None
        expires = Kind.EXPIRE_SNAPSHOTS in self.engine.does(self.kind)
        return work if not expires or self._can_expire(table) else None

    def _compaction(self, table: Table, work: Work) -> Work | None:
        options = self.options.compact
        assert options is not None
        with catalog_errors(f"look for small files of {self.task.target.name}"):
            selection = select(table, self.task.target, options, self.task.now)
        if selection.young:
            files = counted(selection.young, "small file")
            self.left.append(f"{files} of time that is not past, or past for less than `after`")
        is_due, during = due_time(
            table,
            self.task.target.time_column,
            selection.groups,
            self.task.now - options.after,
            whole_partitions=self.engine.compacts_whole_partitions,
        )
        if not is_due:
            if selection.groups:
                self.left.append(f"{self.engine.engine} compacts whole partitions, and none of those is over")
            return None
        if self.task.dry_run:
            tasks = [task for group in selection.groups for task in group.tasks]
            self.done.update(
                files_removed=len(tasks), bytes_removed=sum(each.file.file_size_in_bytes for each in tasks)
            )
        time_id = time_field(table, self.task.target.time_column).field_id
        return work.compacting(work.table.schema().find_field(time_id).name, during)

    def _can_expire(self, table: Table) -> bool:
        """Whether all that is recorded in snapshots can be kept while an engine expires them by its own rule."""
        if set(_engine_expiry(table).snapshots) == _unreferenced_snapshots(table):
            return True
        self.left.append(
            "another tool changed this table of several measurements: its snapshots are expired after the next load"
        )
        return False

    def _do(self, work: Work) -> None:
        expires = Kind.EXPIRE_SNAPSHOTS in self.engine.does(self.kind)
        if expires:
            self._keep(self.engine.properties(work))
        seen = _snapshots(work.table)
        for statement in self.statements:
            self.done.update(self.engine.run(statement))
        table = self._opened()
        if expires:
            self.done["snapshots_expired"] = len(seen - _snapshots(table))
        for snapshot in table.metadata.snapshots:
            if snapshot.snapshot_id not in seen and snapshot.summary and snapshot.summary.operation.value == "replace":
                self.done.update({name: number(snapshot, said) for name, said in _DONE.items()})
        if self.kind in (Kind.COMPACT, Kind.REWRITE_MANIFESTS):
            self._carry_on(table)

    def _keep(self, properties: Mapping[str, str]) -> None:
        """Copy what is recorded in snapshots to where it survives their expiry."""

        def plan(table: Table) -> tuple[TableUpdate, ...]:
            from pyiceberg.table.update import SetPropertiesUpdate

            wanted = {**properties, **_engine_expiry(table).properties}
            stated = table.metadata.properties
            updates = {name: text for name, text in wanted.items() if text and stated.get(name) != text}
            return (SetPropertiesUpdate(updates=updates),) if updates else ()

        commit_metadata(self.task.catalog, self.task.target, "keep what is known of", plan)

    def _carry_on(self, table: Table) -> None:
        """Commit a snapshot with what is recorded, where the current one is the engine's."""
        planner = _SameFiles({ENGINE: str(self.engine.engine)})
        commit = MaintenanceCommit(
            self.task.catalog, self.task.target, table, str(self.kind), self.task.run_id, planner
        )
        try:
            self.snapshot_id = Committer(commit).run().snapshot_id
        except NothingNew:
            self.snapshot_id = None


@dataclass(frozen=True, slots=True)
class _SameFiles:
    """Plans a snapshot with the same files."""

    notes: dict[str, str]

    def plan(self, table: Table) -> FileChange:
        is_said = last_commit(table.metadata) == table.metadata.current_snapshot_id
        return FileChange(notes=self.notes, nothing_new=is_said or states_to_carry_over(table) is None)

    def written(self) -> list[DataFile]:
        return []


def _snapshots(table: Table) -> set[int]:
    return {each.snapshot_id for each in table.metadata.snapshots}


def _unreferenced_snapshots(table: Table) -> set[int]:
    """The snapshots that no branch or tag points to: an engine may expire any of them."""
    return _snapshots(table) - {ref.snapshot_id for ref in table.metadata.refs.values()}


def _engine_expiry(table: Table) -> Expiry:
    """The property updates that keep what is recorded, and the snapshots that may then expire."""
    return expiry_of(actual(table), _unreferenced_snapshots(table))
