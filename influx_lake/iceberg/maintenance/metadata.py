"""Removes metadata files of earlier table states: each commit leaves one, and no other maintenance removes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.config.maintenance.options import SHORTEST_ORPHAN_AGE, Kind, MetadataOptions
from influx_lake.config.values.units import counted
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.maintenance.task import Maintained, TableTask, figures_of, open_actual
from influx_lake.iceberg.storage.deletion import Deleted, delete_for_good
from influx_lake.iceberg.storage.listing import StoredFile, files_below
from influx_lake.iceberg.storage.metadata_files import METADATA, uuid_in
from influx_lake.iceberg.storage.named_files import name_of
from influx_lake.iceberg.storage.requests import each_of

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import TableUpdate

KEPT = "write.metadata.previous-versions-max"
"""The table property: how many earlier metadata files a table lists."""
_KEPT_BY_DEFAULT = 100


def metadata(task: TableTask, options: MetadataOptions) -> Maintained:
    """Delete the metadata files of earlier states, except the newest, which the table still lists.

    The table property with the number of listed files is set where it differs. A file that the table does not list may
    belong to a commit under way: it is kept for a day.

    Raises:
        StorageError: Files could not be listed, or deleted.
        LakeError: Nothing was done.
    """
    wanted = int(task.target.properties.get(KEPT, options.keep_last))
    before = open_actual(task)
    with catalog_errors(f"list the metadata files of {task.target.name}"):
        there = [file for file in _files(before) if file.path.endswith(METADATA)]
    after = before if task.dry_run else _set_limit(task, wanted)
    named = _named(after, wanted if task.dry_run else None)
    parted = {entry.metadata_file for entry in before.metadata.metadata_log} - named
    with catalog_errors(f"read metadata files of {task.target.name}"):
        old, others = _unlisted(task, after, there, {name_of(path) for path in named}, set(map(name_of, parted)))
    if not task.dry_run:
        delete_for_good(after.io, old, task.target.name)
    # With `write.metadata.delete-after-commit.enabled` the commit has deleted some of them.
    deleted = Deleted.of(old)
    return Maintained(
        kind=Kind.METADATA,
        table=task.target.name,
        before=figures_of(task, before),
        after=figures_of(task, after),
        done={"files_found": len(there), "files_removed": deleted.files, "bytes_removed": deleted.bytes},
        dry_run=task.dry_run,
        left=(f"{counted(others, 'metadata file')} of another table in the same folder",) if others else (),
        files=deleted.examples,
    )


def _set_limit(task: TableTask, wanted: int) -> Table:
    """Set the number of metadata files that the table lists; returns the table afterwards."""
    from pyiceberg.table.update import SetPropertiesUpdate

    def plan(table: Table) -> tuple[TableUpdate, ...]:
        if int(table.metadata.properties.get(KEPT, _KEPT_BY_DEFAULT)) == wanted:
            return ()
        return (SetPropertiesUpdate(updates={KEPT: str(wanted)}),)

    return commit_metadata(task.catalog, task.target, f"set {KEPT} of", plan)


def _named(table: Table, newest: int | None) -> set[str]:
    log = [entry.metadata_file for entry in table.metadata.metadata_log]
    return {table.metadata_location, *(log if newest is None else log[-newest:])}


def _files(table: Table) -> list[StoredFile]:
    return list(files_below(table.io, _folder(table.metadata)))


def _folder(metadata: TableMetadata) -> str:
    return metadata.properties.get("write.metadata.path") or f"{metadata.location.rstrip('/')}/metadata"


def _unlisted(
    task: TableTask, table: Table, there: list[StoredFile], named: set[str], parted: set[str]
) -> tuple[dict[str, int], int]:
    """The table's unlisted files that may be deleted, with sizes; and the number of those of another table."""
    since = task.now - SHORTEST_ORPHAN_AGE
    unnamed = [
        file
        for file in there
        if name_of(file.path) not in named
        and (name_of(file.path) in parted or (file.modified is not None and file.modified < since))
    ]
    uuid = str(table.metadata.table_uuid)
    uuids = list(each_of(lambda file: uuid_in(table.io, file.path), unnamed))
    others = sum(found not in (None, uuid) for found in uuids)
    return {file.path: file.size for file, found in zip(unnamed, uuids, strict=True) if found in (None, uuid)}, others
