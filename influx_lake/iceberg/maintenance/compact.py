"""Compaction of a table: rewrites small files to few, while loads go on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.options import CompactOptions, Kind
from influx_lake.config.values.units import counted
from influx_lake.errors import CatalogRefused, StorageError
from influx_lake.iceberg.commit.commit_plan import Overtaken
from influx_lake.iceberg.commit.committer import Committer
from influx_lake.iceberg.commit.maintenance_commit import MaintenanceCommit
from influx_lake.iceberg.compaction.replacement import Replacement, is_there
from influx_lake.iceberg.compaction.rewriting import Rewritten, rewrite
from influx_lake.iceberg.compaction.row_order import RowOrder
from influx_lake.iceberg.compaction.selection import FileGroup, FileSizes, Selection, select
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.load.ensure import check_writable
from influx_lake.iceberg.maintenance.figures import table_figures
from influx_lake.iceberg.maintenance.task import Maintained, TableTask
from influx_lake.iceberg.scan.reader import check_readable, open_table
from influx_lake.iceberg.staging.copied_folder import check_not_copied
from influx_lake.iceberg.writer.writer import delete_files

if TYPE_CHECKING:
    from pyiceberg.table import Table

COMMIT_BYTES = 4 * 2**30
COMMIT_GROUPS = 64
"""Limits of one commit: few snapshots, and little work that is lost when a load is first."""
MOST_ROUNDS = 3
"""How often a run selects files again; the next run handles what loads write meanwhile."""

log = logging.getLogger("influx_lake.iceberg")


def compact(task: TableTask, options: CompactOptions) -> Maintained:
    """Rewrite the small files of each cold Iceberg partition, and those with rows that other engines deleted.

    Rows are streamed, in the table's sort order, to files of the target size, written as by loads. Their number and a
    hash of their content prove that they are the same rows, before one `replace` snapshot for a group of partitions is
    committed. Files that a load or another engine replaced meanwhile are skipped, and selected again by the next run: a
    load never waits for compaction, and never fails because of it.

    Args:
        task: The table.
        options: Which files are rewritten.

    Raises:
        StorageError: A file cannot be read or written; the others are compacted.
        LakeError: Its class tells what can be done about it; earlier commits stay.
    """
    run = _Compaction(task, options)
    table = run.opened()
    sizes = FileSizes.of(table, task.target, options)
    before = after = table_figures(table, sizes.small)
    if (refusal := _refusal(table)) is not None:
        return Maintained(Kind.COMPACT, task.target.name, before, before, dry_run=task.dry_run, left=(refusal,))
    if task.dry_run:
        run.foresee(table)
    else:
        run.run()
        after = table_figures(run.opened(), sizes.small)
    return Maintained(
        Kind.COMPACT,
        task.target.name,
        before,
        after,
        dict(run.done),
        dry_run=task.dry_run,
        snapshot_id=run.snapshot_id,
        left=tuple(run.left),
    )


def _refusal(table: Table) -> str | None:
    """Why no file of the table can be rewritten; None where files can."""
    try:
        check_readable(table)
    except CatalogRefused as refused:
        return str(refused)
    return None


@dataclass(slots=True)
class _Compaction:
    """One run over a table.

    Attributes:
        done: What was done, as numbers by name.
        left: What was left, for people.
        snapshot_id: The last snapshot that was committed.
    """

    task: TableTask
    options: CompactOptions
    done: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    snapshot_id: int | None = None
    _overtaken: int = 0
    _failures: dict[str, StorageError] = field(default_factory=dict)

    def opened(self) -> Table:
        """Load the table as it is now, under the column names of its loads."""
        table = open_table(self.task.catalog, self.task.target.identifier)
        check_not_copied(table, self.task.target.name)
        check_writable(table, self.task.target.name)
        return table

    def foresee(self, table: Table) -> None:
        """Determine what would be done."""
        selection, sizes = self._select(table), FileSizes.of(table, self.task.target, self.options)
        for group in selection.groups:
            self.done.update(
                partitions=1,
                files_removed=len(group.tasks),
                files_added=-(-group.bytes // sizes.target),
                bytes_removed=group.bytes,
            )
        self._report_young(selection)

    def run(self) -> None:
        """Rewrite and commit, then repeat for files that appeared meanwhile."""
        for _ in range(MOST_ROUNDS):
            table = self.opened()
            selection = self._select(table)
            groups = [group for group in selection.groups if group.partition not in self._failures]
            self._overtaken = 0
            for some in _at_once(groups):
                self._commit(table, self._rewritten(table, some))
            if not groups:
                break
        if self._overtaken:
            times = counted(self._overtaken, "group")
            self.left.append(f"{times} of files that other writers changed meanwhile: the next run compacts them")
        self._report_young(selection)
        for failure in self._failures.values():
            raise failure

    def _select(self, table: Table) -> Selection:
        with catalog_errors(f"look for small files of {self.task.target.name}"):
            return select(table, self.task.target, self.options, self.task.now)

    def _rewritten(self, table: Table, groups: Sequence[FileGroup]) -> list[Rewritten]:
        """Rewrite groups, except those that cannot be read."""
        target, sizes = self.task.target, FileSizes.of(table, self.task.target, self.options)
        order = RowOrder.of(table, target)
        rewritten: list[Rewritten] = []
        try:
            for group in groups:
                try:
                    rewritten.append(rewrite(table, target, group, order, sizes.target))
                except StorageError as failure:
                    if failure.transient:
                        raise
                    self._unreadable(group, failure)
        except BaseException:
            delete_files(table, [file.file_path for each in rewritten for file in each.files])
            raise
        return rewritten

    def _unreadable(self, group: FileGroup, failure: StorageError) -> None:
        """Raise a failure at the end, unless the files are gone because another writer replaced them."""
        if is_there(self.opened(), group.tasks):
            self._failures[group.partition] = failure
        else:
            self._overtaken += 1

    def _commit(self, table: Table, rewritten: list[Rewritten]) -> None:
        if not rewritten:
            return
        task, replacement = self.task, Replacement(table, rewritten)
        try:
            commit = MaintenanceCommit(task.catalog, task.target, table, Kind.COMPACT, task.run_id, replacement)
            committed = Committer(commit).run()
        except Overtaken:
            self._overtaken += len(rewritten)
            return
        self._overtaken += len(rewritten) - len(replacement.replaced)
        change, self.snapshot_id = committed.change, committed.snapshot_id
        done = {
            "partitions": len({each.group.partition for each in replacement.replaced}),
            "files_removed": len(change.removed),
            "files_added": len(change.added),
            "bytes_removed": sum(file.file_size_in_bytes for file in change.removed),
            "bytes_added": sum(file.file_size_in_bytes for file in change.added),
            "delete_files_removed": len(change.deletes),
            "rows": sum(each.rows for each in replacement.replaced),
            "snapshots": 1,
        }
        self.done.update(done)
        log.info("%s: %d files in the place of %d", task.target.name, done["files_added"], done["files_removed"])

    def _report_young(self, selection: Selection) -> None:
        if selection.young:
            files = counted(selection.young, "small file")
            self.left.append(f"{files} of time that is not past, or past for less than `after`")


def _at_once(groups: Sequence[FileGroup]) -> Iterator[list[FileGroup]]:
    """Split groups into those that are committed together."""
    some: list[FileGroup] = []
    size = 0
    for group in groups:
        if some and (len(some) >= COMMIT_GROUPS or size + group.bytes > COMMIT_BYTES):
            yield some
            some, size = [], 0
        some.append(group)
        size += group.bytes
    if some:
        yield some
