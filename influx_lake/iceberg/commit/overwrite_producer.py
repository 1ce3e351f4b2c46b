"""The snapshot producer that replaces data files by others, where pyiceberg's own falls short."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyiceberg.manifest import (
    DataFileContent,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
)
from pyiceberg.schema import Schema
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update import AssertTableUUID, SetPropertiesUpdate, TableRequirement, TableUpdate
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles
from pyiceberg.typedef import EMPTY_DICT
from pyiceberg.utils.properties import property_as_bool, property_as_int

from influx_lake.iceberg.commit import position_deletes
from influx_lake.iceberg.scan.manifest_cache import keep_manifests, manifests_of

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.table.metadata import TableMetadata

    from influx_lake.iceberg.commit.commit_plan import FileChange
    from influx_lake.iceberg.staging.staged_table import StagedTable

_MERGE_ENABLED = "commit.manifest-merge.enabled"
_MERGE_MIN_COUNT = "commit.manifest.min-count-to-merge"
_MERGE_TARGET_SIZE = "commit.manifest.target-size-bytes"
MANIFEST_SIZE = 2**19
"""The target size of a manifest where the table sets none, in bytes.

Iceberg's default is 8 MiB, which holds a year of hours in one: a reader of one day decodes all of it (0.7 s of CPU for
pyiceberg 0.12).
"""


def manifest_size(metadata: TableMetadata) -> int:
    """The target size of a table's manifests, in bytes."""
    return property_as_int(metadata.properties, _MERGE_TARGET_SIZE, MANIFEST_SIZE) or 0


def with_partition_sources(metadata: TableMetadata) -> Schema:
    """A table's current schema, with the dropped columns that its partition specs refer to."""
    schema = metadata.schema()
    sources = {field.source_id for spec in metadata.partition_specs for field in spec.fields}
    missing = sources - set(schema.field_ids)
    if not missing:
        return schema
    dropped = {number: each.find_field(number) for each in metadata.schemas for number in missing & set(each.field_ids)}
    # Another column may have its name by now.
    again = [field.model_copy(update={"name": f"{field.name}-{number}"}) for number, field in dropped.items()]
    return Schema(*schema.fields, *again, schema_id=schema.schema_id, identifier_field_ids=schema.identifier_field_ids)


class ReplaceFiles(_OverwriteFiles):
    """An overwrite snapshot that removes exactly the files it was given and adds others.

    pyiceberg 0.12's own overwrite shares one manifest evaluator among threads, so that under load it may miss a file
    it has to delete; it keeps the manifests of deleted files for ever; and it does not merge manifests. This producer
    reads manifests once, one after the other, drops those without live files, and merges small ones as the table's
    `commit.manifest-merge.*` properties say (on unless switched off, as Iceberg's specification has it). The
    position deletes of a removed data file are removed with it.
    """

    leaving_deletes: frozenset[str] = frozenset()
    """The paths of delete files that are removed with the data files that they apply to."""
    _listed: tuple[ManifestFile, ...] = ()
    _untouched: list[ManifestFile]
    _dangling: list[ManifestEntry]

    def schema(self) -> Schema:
        """The table's columns, and the dropped ones that an earlier partition spec refers to.

        Without them pyiceberg 0.12 does not know the types of such a spec's values, and writes none of its manifests.
        """
        return with_partition_sources(self._transaction.table_metadata)

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        if self._operation is not Operation.REPLACE:
            return super()._summary(snapshot_properties)
        # pyiceberg 0.12 counts nothing for a REPLACE, which has the counts of an overwrite.
        self._operation = Operation.OVERWRITE
        try:
            counted = super()._summary(snapshot_properties)
        finally:
            self._operation = Operation.REPLACE
        return Summary(Operation.REPLACE, **counted.additional_properties)

    def keep_list(self) -> None:
        """Cache the snapshot's manifest list as it was written: the next load of the table needs it.

        pyiceberg 0.12 writes the snapshot's sequence number into the entries that it is given, and not for format 1.
        """
        if self._listed and all(manifest.sequence_number > 0 for manifest in self._listed):
            keep_manifests(self._written_manifest_lists[-1], self._listed)

    def _manifests(self) -> list[ManifestFile]:
        """Write the manifests in this thread; pyiceberg hands them to three, which takes longer for a window's few."""
        self._build_delete_files_partition_predicate()
        deleted: dict[int, list[ManifestEntry]] = defaultdict(list)
        for entry in self._deleted_entries():
            deleted[entry.data_file.spec_id].append(entry)
        added = [self._added(file) for file in self._added_data_files]
        manifests = [self._written(self._transaction.table_metadata.spec(), added)] if added else []
        manifests += [self._written(self.spec(spec_id), entries) for spec_id, entries in deleted.items()]
        found = self._process_manifests([*manifests, *self._existing_manifests()])
        self._listed = tuple(found)
        return found

    def _added(self, file: DataFile) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED,
            snapshot_id=self._snapshot_id,
            sequence_number=None,
            file_sequence_number=None,
            data_file=file,
        )

    def _deleted_entries(self) -> list[ManifestEntry]:
        self._untouched, self._dangling, deleted = [], [], []
        head = self._transaction.table_metadata.snapshot_by_name(self._target_branch)
        for manifest in manifests_of(head, self._io) if head else ():
            if not (manifest.has_added_files() or manifest.has_existing_files()):
                continue
            if manifest.content == ManifestContent.DELETES:
                self._untouched += self._without_dangling(manifest)
                continue
            leaving, staying = self._partition_entries(manifest)
            deleted += leaving
            if not leaving:
                self._untouched.append(manifest)
            elif staying:
                self._untouched.append(self._written(self.spec(manifest.partition_spec_id), staying))
        self._validate_required_deletes(deleted)
        return deleted

    def _existing_manifests(self) -> list[ManifestFile]:
        return self._untouched

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        properties = self._transaction.table_metadata.properties
        merging = _ManifestMergeManager(
            target_size_bytes=self._manifest_size,
            min_count_to_merge=property_as_int(properties, _MERGE_MIN_COUNT, 100) or 0,
            merge_enabled=property_as_bool(properties, _MERGE_ENABLED, True),
            snapshot_producer=self,
        )
        data = [manifest for manifest in manifests if manifest.content == ManifestContent.DATA]
        if len({manifest.partition_spec_id for manifest in data}) == 1 and self._fit_unmerged(data):
            return manifests
        return merging.merge_manifests(data) + [each for each in manifests if each.content != ManifestContent.DATA]

    def _fit_unmerged(self, data: list[ManifestFile]) -> bool:
        """Whether manifests of one spec are too few to be merged; pyiceberg finds that out in a thread."""
        size = sum(manifest.manifest_length for manifest in data)
        properties = self._transaction.table_metadata.properties
        return len(data) < (property_as_int(properties, _MERGE_MIN_COUNT, 100) or 0) and size <= self._manifest_size

    def _partition_entries(self, manifest: ManifestFile) -> tuple[list[ManifestEntry], list[ManifestEntry]]:
        """Split a manifest's entries into those that this snapshot deletes, and the others."""
        leaving: list[ManifestEntry] = []
        staying: list[ManifestEntry] = []
        if not self._may_hold_deleted(manifest):
            return leaving, staying
        for entry in manifest.fetch_manifest_entry(self._io, discard_deleted=True):
            leaves = entry.data_file.content == DataFileContent.DATA and entry.data_file in self._deleted_data_files
            status = ManifestEntryStatus.DELETED if leaves else ManifestEntryStatus.EXISTING
            (leaving if leaves else staying).append(self._with_status(entry, status))
        return leaving, staying

    def _without_dangling(self, manifest: ManifestFile) -> list[ManifestFile]:
        """A manifest of deletes, without the delete files of data files that this snapshot removes."""
        paths = {file.file_path for file in self._deleted_data_files}
        entries = list(manifest.fetch_manifest_entry(self._io, discard_deleted=True)) if paths else []
        dangling = [
            entry
            for entry in entries
            if entry.data_file.file_path in self.leaving_deletes or position_deletes.is_only_of(entry.data_file, paths)
        ]
        if not dangling:
            return [manifest]
        self._dangling += dangling
        self.snapshot_properties = {**self.snapshot_properties, **position_deletes.removal_summary(self._dangling)}
        staying = [entry for entry in entries if entry not in dangling]
        spec = self.spec(manifest.partition_spec_id)
        writer = position_deletes.DeleteManifestWriter(
            spec, self.schema(), self.new_manifest_output(), self._snapshot_id, self._compression
        )
        with writer:
            for entry in staying:
                writer.add_entry(self._with_status(entry, ManifestEntryStatus.EXISTING))
            for entry in dangling:
                writer.add_entry(self._with_status(entry, ManifestEntryStatus.DELETED))
        return [writer.to_manifest_file()]

    def _may_hold_deleted(self, manifest: ManifestFile) -> bool:
        if not self._deleted_data_files:
            return False
        # A new one for each manifest: an evaluator has state while it evaluates.
        return self._build_manifest_evaluator(manifest.partition_spec_id)(manifest)

    def _written(self, spec: PartitionSpec, entries: Iterable[ManifestEntry]) -> ManifestFile:
        with self.new_manifest_writer(spec) as writer:
            for entry in entries:
                writer.add_entry(entry)
        return writer.to_manifest_file()

    @property
    def _manifest_size(self) -> int:
        """The target size of the table's manifests, in bytes."""
        return manifest_size(self._transaction.table_metadata)

    def _with_status(self, entry: ManifestEntry, status: ManifestEntryStatus) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=status,
            snapshot_id=self._snapshot_id if status is ManifestEntryStatus.DELETED else entry.snapshot_id,
            sequence_number=entry.sequence_number,
            file_sequence_number=entry.file_sequence_number,
            data_file=entry.data_file,
        )


class _PlannedOn(Transaction):
    """A transaction without staged changes: pyiceberg would copy the whole metadata on each access."""

    @property
    def table_metadata(self) -> TableMetadata:
        return self._table.metadata


class ReplaceCommit:
    """One atomic change of a table: files removed and added, columns, layout and properties, in a single snapshot.

    It is valid for the table as it was loaded: the catalog refuses it when anything else was committed since.

    Args:
        staged: The table as it was planned on, and what changes in it besides its files.
        change: The files to remove and to add.
        summary: Properties of the snapshot's summary.
        operation: The snapshot's operation. Default: an append where no file is removed, else an overwrite. Readers
            that follow a table snapshot by snapshot accept only appends, and skip a `replace`: files replaced by others
            with the same rows.
        producer: Makes the snapshot.
    """

    def __init__(
        self,
        staged: StagedTable,
        change: FileChange,
        summary: dict[str, str],
        operation: Operation | None = None,
        producer: type[ReplaceFiles] = ReplaceFiles,
    ) -> None:
        self._staged = staged
        self._producer = producer(
            operation=operation or (Operation.OVERWRITE if change.removed else Operation.APPEND),
            transaction=_PlannedOn(staged.changed),
            io=staged.actual.io,
            snapshot_properties=summary,
        )
        self._producer.leaving_deletes = frozenset(file.file_path for file in change.deletes)
        for file in change.removed:
            self._producer.delete_data_file(file)
        for file in change.added:
            self._producer.append_data_file(file)

    @property
    def snapshot_id(self) -> int:
        return self._producer.snapshot_id

    def prepare(self, properties: dict[str, str]) -> None:
        """Write the manifests; the catalog is not asked yet.

        Args:
            properties: Table properties that change with it.
        """
        updates, requirements = self._producer._commit()
        self._updates: tuple[TableUpdate, ...] = (
            *self._staged.updates,
            *updates,
            SetPropertiesUpdate(updates=properties),
        )
        self._requirements: tuple[TableRequirement, ...] = (
            *self._staged.requirements,
            *requirements,
            AssertTableUUID(uuid=self._staged.actual.metadata.table_uuid),
        )

    def commit(self) -> None:
        """Ask the catalog once, after which the table is the new one; pyiceberg's own retry would not plan again.

        Raises:
            CommitFailedException: The table changed since it was loaded.
            CommitStateUnknownException: The catalog did not say whether it committed.
        """
        self._staged.actual._do_commit(self._updates, self._requirements)
        self._producer.keep_list()

    def clean_up(self) -> None:
        """Delete the manifests of a commit that certainly did not take place."""
        self._producer._clean_all_uncommitted()
