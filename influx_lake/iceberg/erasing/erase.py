"""Erases rows of a table for good: from its files, its earlier snapshots, and unreferenced files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.errors import RowsStillThere, TableUnsupported
from influx_lake.iceberg.commit.commit_plan import FileChange, NothingNew
from influx_lake.iceberg.commit.committer import Committer
from influx_lake.iceberg.commit.maintenance_commit import MaintenanceCommit
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.commit.overwrite_producer import ReplaceFiles
from influx_lake.iceberg.erasing.matching import Matching
from influx_lake.iceberg.erasing.rewriting import Rewriting
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.maintenance.expire_snapshots import drop_snapshots
from influx_lake.iceberg.maintenance.retained_snapshots import Expiry, expiry_of
from influx_lake.iceberg.maintenance.task import TableTask, deletion_refusal, open_actual
from influx_lake.iceberg.proofs.changed_time import changed_time_property
from influx_lake.iceberg.scan.reader import check_readable
from influx_lake.iceberg.storage.deletion import delete_for_good
from influx_lake.iceberg.storage.listing import files_below
from influx_lake.iceberg.storage.named_files import NamedFiles, live_files, manifests_of_all, name_of
from influx_lake.iceberg.storage.table_folders import check_alone, folders_of
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.current_state import time_id_of
from influx_lake.iceberg.table_state.erased_rows import recording

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestEntry, ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableUpdate

    from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit
    from influx_lake.iceberg.staging.staged_table import StagedTable

_MAIN = "main"
_YOUNG = timedelta(days=1)
"""Younger files that no snapshot references may belong to a load under way."""
MOST_TOLD = 1_000


@dataclass(frozen=True, slots=True)
class ErasedFrom:
    """What was erased from a table, or would be.

    Attributes:
        table: `namespace.table`.
        rows: The rows that readers got, and deleted ones that files still had.
        files_rewritten: Files that had such rows.
        snapshots_expired: Earlier snapshots that had such rows.
        refs_dropped: Branches and tags that had such rows.
        files_deleted: Files that were deleted from the store.
        bytes_deleted: Their size, as far as known.
        files_checked: Data files of the table's folders that were checked afterwards: none has such a row.
        paths: The first of the deleted files.
        had_rows: The first of the files that had such rows.
        left: What could not be erased, and why.
    """

    table: str
    rows: int = 0
    files_rewritten: int = 0
    snapshots_expired: int = 0
    refs_dropped: tuple[str, ...] = ()
    files_deleted: int = 0
    bytes_deleted: int = 0
    files_checked: int = 0
    paths: tuple[str, ...] = ()
    had_rows: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class _EraseCommit(MaintenanceCommit):
    """The commit that erases rows, and records in the table which ones."""

    rows: ErasedRows
    of: Matching

    def ask_for(self, table: Table, staged: StagedTable, change: FileChange) -> tuple[ReplaceCommit, dict[str, str]]:
        time_id = time_id_of(staged.table, table_state(staged.table))
        change = replace(change, notes={**change.notes, **changed_time_property(change.removed, time_id)})
        commit, properties = MaintenanceCommit.ask_for(self, table, staged, change)
        return commit, {**properties, **recording(table.metadata, self.rows, self.of.share)}


class _WithoutTrace(ReplaceFiles):
    """Lists no file as deleted, neither those that this snapshot removes nor earlier ones: the bounds of their columns
    are values of rows.
    """

    def _deleted_entries(self) -> list[ManifestEntry]:
        super()._deleted_entries()
        self._untouched = [self._without_deleted(manifest) for manifest in self._untouched]
        return []

    def _without_deleted(self, manifest: ManifestFile) -> ManifestFile:
        from pyiceberg.manifest import ManifestContent, ManifestEntryStatus

        if manifest.content != ManifestContent.DATA or manifest.deleted_files_count == 0:
            return manifest
        live = manifest.fetch_manifest_entry(self._io, discard_deleted=True)
        entries = [self._with_status(each, ManifestEntryStatus.EXISTING) for each in live]
        return self._written(self.spec(manifest.partition_spec_id), entries)


def erase_rows(task: TableTask, rows: ErasedRows, matching: Matching, *, include_refs: bool = False) -> ErasedFrom:
    """Rewrite the files that have such rows, expire every snapshot that has them, delete its files, and verify that
    none are left. The same commit records in the table what was erased: later loads with such rows are refused. It is
    idempotent: run again, it does what is left to do.

    Args:
        task: The table.
        rows: The rows, as they are recorded.
        matching: Finds them.
        include_refs: Whether to drop branches and tags that have such rows.

    Raises:
        RowsStillThere: A branch or tag has such rows; or files that still have some, which the message names.
        TableUnsupported: The same folders hold files of another table, or the table forbids deleting files.
        LakeError: Nothing was erased, or not all of it: running it again does the rest.
    """
    table = open_actual(task)
    check_readable(table)
    check_alone(task.catalog, table)
    if (refusal := deletion_refusal(table)) is not None:
        raise TableUnsupported(
            f"{task.target.name}: {refusal}; nothing was erased",
            remedy="Where no other table needs its files, set `gc.enabled` to true: without deleting files no row is "
            "gone for good",
        )
    had = _holding(table, matching)
    refs = _refs_with(table, matching)
    if refs and not include_refs:
        raise RowsStillThere(
            f"{task.target.name}: {', '.join(refs)} {'has' if len(refs) == 1 else 'have'} rows that are to be erased; "
            "nothing was done",
            remedy="Drop these branches and tags, or have it done with --include-tags",
        )
    if task.dry_run:
        return _preview(task, table, matching, had, refs)
    rewritten = _rewrite(task, table, rows, matching)
    dropped = drop_snapshots(task, lambda now: _without_rows(now, matching, refs))
    now = dropped.after
    lost, young, checked = _unreferenced(task, now, matching)
    gone = delete_for_good(now.io, lost, task.target.name)
    named = _verified(task, now, matching, {file.file_path for file in had})
    if young:
        raise RowsStillThere(
            f"{task.target.name}: no snapshot has such rows, but {len(young)} files of no snapshot have, which are "
            f"younger than a day and may be those of a load that runs: {', '.join(young[:3])}",
            remedy="Run it again when they are older: the load that wrote them cannot commit them any more",
        )
    return ErasedFrom(
        table=task.target.name,
        rows=sum(rewritten.values()),
        files_rewritten=len(rewritten),
        snapshots_expired=dropped.snapshots,
        refs_dropped=tuple(refs),
        files_deleted=dropped.deleted.files + gone.files,
        bytes_deleted=dropped.deleted.bytes + gone.bytes,
        files_checked=named + checked,
        paths=(*dropped.deleted.examples, *gone.examples),
        had_rows=tuple([*(file.file_path for file in had), *lost][:MOST_TOLD]),
    )


def _rewrite(task: TableTask, table: Table, rows: ErasedRows, matching: Matching) -> Mapping[str, int]:
    """Commit the files without the rows, or only the record of what was erased where the table has none.

    Returns:
        The files that had rows, with their number.
    """
    commit = _EraseCommit(
        task.catalog,
        task.target,
        table,
        "erase",
        task.run_id,
        Rewriting(task.target, matching),
        operation=None,
        producer=_WithoutTrace,
    )
    commit.rows, commit.of = rows, matching
    try:
        done = Committer(commit).run()
    except NothingNew:
        commit_metadata(
            task.catalog, task.target, "write what was erased to", lambda now: _recorded(now, rows, matching)
        )
        return {}
    return {file.file_path: matching.count(done.table, file) for file in done.change.removed}


def _recorded(table: Table, rows: ErasedRows, matching: Matching) -> tuple[TableUpdate, ...]:
    from pyiceberg.table.update import SetPropertiesUpdate

    found = recording(table.metadata, rows, matching.share)
    return (SetPropertiesUpdate(updates=found),) if found else ()


def _without_rows(table: Table, matching: Matching, refs: Sequence[str]) -> Expiry:
    """The expiry of every snapshot that has such rows, and of the branches and tags that do.

    Raises:
        RowsStillThere: Another branch or tag has them by now, or the table itself.
    """
    late = [name for name in _refs_with(table, matching) if name not in refs]
    leaving = [snapshot.snapshot_id for snapshot in matching.snapshots_with(table)]
    if late or table.metadata.current_snapshot_id in leaving:
        where = ", ".join(late) or "the table itself"
        raise RowsStillThere(
            f"{'.'.join(table.name())}: {where} got such rows while they were erased", remedy="Run it again"
        )
    return expiry_of(table, leaving, tuple(name for name in refs if name in table.metadata.refs))


def _refs_with(table: Table, matching: Matching) -> list[str]:
    """The branches and tags, except main, whose snapshot has such rows."""
    heads = {name: ref.snapshot_id for name, ref in table.metadata.refs.items() if name != _MAIN}
    if not heads:
        return []
    having = {snapshot.snapshot_id for snapshot in matching.snapshots_with(table)}
    return sorted(name for name, head in heads.items() if head in having)


def _holding(table: Table, matching: Matching) -> list[DataFile]:
    """The files of all snapshots that have such rows."""
    with catalog_errors(f"look for rows in {'.'.join(table.name())}"):
        return [file for file in _files_of(table) if matching.any_in(table, [file])]


def _files_of(table: Table) -> Iterator[DataFile]:
    seen: set[str] = set()
    for manifest in manifests_of_all(table.metadata.snapshots, table.io).values():
        for file in live_files(manifest, table.io):
            if file.file_path not in seen:
                seen.add(file.file_path)
                yield file


def _unreferenced(task: TableTask, table: Table, matching: Matching) -> tuple[dict[str, int], list[str], int]:
    """The data files that no snapshot references and that have, or may have, such rows: those that may be deleted, and
    those that are too young; and the number of others that were checked.
    """
    named = NamedFiles()
    found: dict[str, int] = {}
    young: list[str] = []
    checked = 0
    with catalog_errors(f"look through the folders of {task.target.name}"):
        named.add(table)
        for folder in folders_of(table):
            for stored in files_below(table.io, folder):
                if not stored.path.endswith(".parquet") or name_of(stored.path) in named.names:
                    continue
                if matching.may_be_in(table, stored.path):
                    is_old = stored.modified is not None and stored.modified < task.now - _YOUNG
                    found.update({stored.path: stored.size} if is_old else {})
                    young += [] if is_old else [stored.path]
                else:
                    checked += 1
    return found, young, checked


def _verified(task: TableTask, table: Table, matching: Matching, had: set[str]) -> int:
    """Check the files that the table references, including those that were just written.

    Returns:
        Their number.

    Raises:
        RowsStillThere: One has such rows.
    """
    files = list(_files_of(table))
    having = [file.file_path for file in files if matching.any_in(table, [file])]
    still = [*having, *sorted(had & {file.file_path for file in files})]
    if still:
        raise RowsStillThere(
            f"{task.target.name}: {len(still)} files still have such rows: {', '.join(still[:3])}",
            remedy="Run it again",
        )
    return len(files)


def _preview(
    task: TableTask, table: Table, matching: Matching, had: Sequence[DataFile], refs: Sequence[str]
) -> ErasedFrom:
    """What would be erased."""
    current = table.current_snapshot()
    now = {file.file_path for file in _files_in(table, current.snapshot_id)} if current else set()
    there = [file for file in had if file.file_path in now]
    snapshots = {each.snapshot_id for each in matching.snapshots_with(table)}
    lost, young, checked = _unreferenced(task, table, matching)
    return ErasedFrom(
        table=task.target.name,
        rows=sum(matching.count(table, file) for file in there),
        files_rewritten=len(there),
        snapshots_expired=len(snapshots),
        refs_dropped=tuple(refs),
        files_deleted=len(had) + len(lost),
        bytes_deleted=sum(file.file_size_in_bytes for file in had) + sum(lost.values()),
        files_checked=checked,
        had_rows=tuple([*(file.file_path for file in had), *lost, *young][:MOST_TOLD]),
        left=(f"{len(young)} files of no snapshot that are younger than a day have such rows",) if young else (),
    )


def _files_in(table: Table, snapshot_id: int) -> list[DataFile]:
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    manifests = manifests_of_all([snapshot] if snapshot else [], table.io)
    return [file for manifest in manifests.values() for file in live_files(manifest, table.io)]
