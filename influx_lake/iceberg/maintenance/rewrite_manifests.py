"""Rewrites manifests: joins small ones and splits large ones, since every query plan reads them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile

from influx_lake.config.maintenance.options import Kind, ManifestOptions
from influx_lake.iceberg.commit.commit_plan import FileChange, NothingNew
from influx_lake.iceberg.commit.committer import Committer
from influx_lake.iceberg.commit.maintenance_commit import MaintenanceCommit
from influx_lake.iceberg.commit.overwrite_producer import ReplaceFiles, manifest_size
from influx_lake.iceberg.compaction.selection import SMALL
from influx_lake.iceberg.load.ensure import check_writable
from influx_lake.iceberg.maintenance.figures import table_figures
from influx_lake.iceberg.maintenance.task import Maintained, TableTask
from influx_lake.iceberg.scan.manifest_cache import manifests_of
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.iceberg.writer.write_settings import WriteSettings

if TYPE_CHECKING:
    from pyiceberg.table import Table

LARGE = 2
"""A manifest of more than this multiple of the target size is split."""
ENTRIES_AT_ONCE = 20_000
"""The number of files that are sorted by partition at once: each takes a few kilobytes of memory."""


def rewrite_manifests(task: TableTask, options: ManifestOptions) -> Maintained:
    """Rewrite the small and the large manifests of a table, each for neighbouring partitions; its files stay.

    Args:
        task: The table.
        options: The number of manifests from which on it is done.

    Raises:
        LakeError: Its class tells what can be done about it; the table is unchanged.
    """
    table = open_table(task.catalog, task.target.identifier)
    check_writable(table, task.target.name)
    small_file_size = int(WriteSettings.of(table, task.target).target_file_size * SMALL)
    before = after = table_figures(table, small_file_size)
    small = _worth_rewriting(table, options)
    done: dict[str, int] = {"manifests_removed": len(small)} if small else {}
    snapshot_id = None
    if small and not task.dry_run:
        commit = MaintenanceCommit(
            task.catalog,
            task.target,
            table,
            Kind.REWRITE_MANIFESTS,
            task.run_id,
            _Plan(options),
            producer=RewriteManifests,
        )
        try:
            committed = Committer(commit).run()
        except NothingNew:
            # Another run was first.
            done = {}
        else:
            snapshot_id = committed.snapshot_id
            after = table_figures(committed.table, small_file_size)
            fewer = before.manifests - after.manifests
            done = {"manifests_removed": fewer} if fewer >= 0 else {"manifests_added": -fewer}
            done["snapshots"] = 1
    return Maintained(
        Kind.REWRITE_MANIFESTS,
        task.target.name,
        before,
        after,
        done,
        dry_run=task.dry_run,
        snapshot_id=snapshot_id,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """Plans a commit that changes no file."""

    options: ManifestOptions

    def plan(self, table: Table) -> FileChange:
        """Change no file; nothing is new where too few manifests are worth rewriting."""
        return FileChange(nothing_new=not _worth_rewriting(table, self.options))

    def written(self) -> list[DataFile]:
        """No file is written."""
        return []


class RewriteManifests(ReplaceFiles):
    """A snapshot with the files of its parent in rewritten manifests."""

    def _deleted_entries(self) -> list[ManifestEntry]:
        head = self._transaction.table_metadata.snapshot_by_name(self._target_branch)
        manifests = manifests_of(head, self._io) if head else ()
        rewritten = _of_wrong_size(manifests, self._manifest_size)
        staying = [each for each in manifests if each not in rewritten]
        by_spec: dict[int, list[ManifestFile]] = defaultdict(list)
        for manifest in rewritten:
            by_spec[manifest.partition_spec_id].append(manifest)
        written = [each for spec_id, some in by_spec.items() for each in self._joined(spec_id, some)]
        self._untouched = [*written, *staying]
        self.snapshot_properties = {
            **self.snapshot_properties,
            "manifests-created": str(len(written)),
            "manifests-replaced": str(len(rewritten)),
            "manifests-kept": str(len(staying)),
        }
        return []

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        return manifests

    def _joined(self, spec_id: int, manifests: Sequence[ManifestFile]) -> Iterator[ManifestFile]:
        """Write the files of manifests to manifests of the target size."""
        entries = self._entries(manifests)
        entry = next(entries, None)
        while entry is not None:
            with self.new_manifest_writer(self.spec(spec_id)) as writer:
                room = True
                while entry is not None and room:
                    writer.add_entry(self._with_status(entry, ManifestEntryStatus.EXISTING))
                    entry = next(entries, None)
                    room = writer.tell() < self._manifest_size
            yield writer.to_manifest_file()

    def _entries(self, manifests: Sequence[ManifestFile]) -> Iterator[ManifestEntry]:
        """Yield the files of manifests, sorted by partition, some at a time."""
        waiting: list[ManifestEntry] = []
        for manifest in manifests:
            waiting += manifest.fetch_manifest_entry(self._io, discard_deleted=True)
            if len(waiting) >= ENTRIES_AT_ONCE:
                yield from sorted(waiting, key=_partition)
                waiting = []
        yield from sorted(waiting, key=_partition)


def _worth_rewriting(table: Table, options: ManifestOptions) -> Sequence[ManifestFile]:
    """The manifests to rewrite; empty where there are too few small ones, and no large one."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return ()
    size = manifest_size(table.metadata)
    found = _of_wrong_size(manifests_of(snapshot, table.io), size)
    return found if len(found) >= options.min_manifests or any(_is_large(each, size) for each in found) else ()


def _of_wrong_size(manifests: Sequence[ManifestFile], size: int) -> list[ManifestFile]:
    """The manifests of data files that are large, or small and can be joined with another of their partition spec."""
    data = [each for each in manifests if each.content is ManifestContent.DATA]
    large = [each for each in data if _is_large(each, size)]
    small = [each for each in data if each.manifest_length < size * SMALL]
    of_spec = Counter(each.partition_spec_id for each in (*small, *large))
    return [*large, *(each for each in small if of_spec[each.partition_spec_id] > 1)]


def _is_large(manifest: ManifestFile, size: int) -> bool:
    """Whether it can be split into several, of which a query reads fewer bytes."""
    files = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
    return files > 1 and manifest.manifest_length > LARGE * size


def _partition(entry: ManifestEntry) -> list[tuple[bool, Any]]:
    """The sort key of a file's partition; nulls first."""
    partition = entry.data_file.partition
    values = [partition[place] for place in range(len(partition))]
    return [(value is not None, value) for value in values]
