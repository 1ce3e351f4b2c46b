"""Expires old snapshots, and deletes the files that only they need."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.options import ExpireOptions, Kind
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.maintenance.retained_snapshots import Expiry, expiring
from influx_lake.iceberg.maintenance.task import Maintained, TableTask, deletion_refusal, figures_of, open_actual
from influx_lake.iceberg.storage.deletion import Deleted, delete_for_good
from influx_lake.iceberg.storage.named_files import no_longer_named

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.table.update import TableUpdate


def expire_snapshots(task: TableTask, options: ExpireOptions) -> Maintained:
    """Expire snapshots that are neither young nor among the newest, nor at a branch or tag; then delete their files.

    The table's rows and its recorded state do not change. Files are deleted only after the table no longer has the
    snapshots, and only if no remaining snapshot needs them: a process that is killed in between leaves orphans.

    Raises:
        StorageError: Files could not be deleted; the snapshots are expired all the same.
        LakeError: Nothing was done.
    """
    table = open_actual(task)
    if (refusal := deletion_refusal(table)) is not None:
        figures = figures_of(task, table)
        return Maintained(
            Kind.EXPIRE_SNAPSHOTS, task.target.name, figures, figures, dry_run=task.dry_run, left=(refusal,)
        )
    dropped = drop_snapshots(task, lambda table: expiring(table, options, task.now))
    return Maintained(
        kind=Kind.EXPIRE_SNAPSHOTS,
        table=task.target.name,
        before=figures_of(task, dropped.before),
        after=figures_of(task, dropped.after),
        done={
            "snapshots_expired": dropped.snapshots,
            "refs_expired": dropped.refs,
            "files_removed": dropped.deleted.files,
            "bytes_removed": dropped.deleted.bytes,
        },
        dry_run=task.dry_run,
        files=dropped.deleted.examples,
    )


@dataclass(frozen=True, slots=True)
class Dropped:
    """Expired snapshots and their files; in a dry run those that would be expired.

    Attributes:
        before: The table before.
        after: The table afterwards.
        snapshots: The number of snapshots.
        refs: The number of branches and tags that expired.
        deleted: The deleted files.
    """

    before: Table
    after: Table
    snapshots: int
    refs: int
    deleted: Deleted


def drop_snapshots(task: TableTask, choose: Callable[[Table], Expiry]) -> Dropped:
    """Expire snapshots, then delete the files that only they need.

    Args:
        task: The table, and whether it is a dry run.
        choose: Chooses what expires of the table as it is now; called for each attempt to commit.

    Raises:
        StorageError: Files could not be deleted; the snapshots are expired all the same.
        LakeError: Nothing was done.
    """
    before = open_actual(task)
    if task.dry_run:
        expiry = choose(before)
        with catalog_errors(f"find the files that {task.target.name} would no longer need"):
            files = no_longer_named(before.metadata, _after(before.metadata, expiry), before.io)
        return Dropped(before, before, len(expiry.snapshots), len(expiry.refs), Deleted.of(files))
    # Only the earlier metadata tells what was removed, also by an attempt whose outcome the catalog did not tell.
    seen: dict[int, Snapshot] = {}
    refs: set[str] = set()

    def plan(table: Table) -> tuple[TableUpdate, ...]:
        nonlocal before
        # A commit replaces the metadata of the table object that it is called on.
        before = copy(table) if not seen else before
        expiry = choose(table)
        seen.update((each.snapshot_id, each) for each in table.metadata.snapshots)
        refs.update(expiry.refs)
        return _updates(table.metadata, expiry)

    after = commit_metadata(task.catalog, task.target, "drop snapshots of", plan)
    was = before.metadata.model_copy(update={"snapshots": list(seen.values())})
    with catalog_errors(f"find the files that {task.target.name} does not need any more"):
        files = no_longer_named(was, after.metadata, after.io)
    deleted = delete_for_good(after.io, files, task.target.name)
    gone = len(seen.keys() - {each.snapshot_id for each in after.metadata.snapshots})
    return Dropped(before, after, gone, len(refs - after.metadata.refs.keys()), deleted)


def _updates(metadata: TableMetadata, expiry: Expiry) -> tuple[TableUpdate, ...]:
    from pyiceberg.table.update import (
        RemovePartitionStatisticsUpdate,
        RemovePropertiesUpdate,
        RemoveSnapshotRefUpdate,
        RemoveSnapshotsUpdate,
        SetPropertiesUpdate,
    )

    if not expiry.snapshots and not expiry.refs:
        return ()
    set_to = {name: text for name, text in expiry.properties.items() if text}
    removed = [name for name, text in expiry.properties.items() if not text]
    leaving = set(expiry.snapshots)
    statistics = [each.snapshot_id for each in metadata.partition_statistics if each.snapshot_id in leaving]
    return (
        *(RemoveSnapshotRefUpdate.model_validate({"ref-name": name}) for name in expiry.refs),
        # pyiceberg removes other statistics itself.
        *(RemovePartitionStatisticsUpdate.model_validate({"snapshot-id": number}) for number in statistics),
        *([RemoveSnapshotsUpdate.model_validate({"snapshot-ids": list(expiry.snapshots)})] if leaving else ()),
        *([SetPropertiesUpdate(updates=set_to)] if set_to else ()),
        *([RemovePropertiesUpdate(removals=removed)] if removed else ()),
    )


def _after(metadata: TableMetadata, expiry: Expiry) -> TableMetadata:
    """The metadata of a table without its expired snapshots."""
    leaving = set(expiry.snapshots)
    return metadata.model_copy(
        update={
            "snapshots": [each for each in metadata.snapshots if each.snapshot_id not in leaving],
            "statistics": [each for each in metadata.statistics if each.snapshot_id not in leaving],
            "partition_statistics": [each for each in metadata.partition_statistics if each.snapshot_id not in leaving],
        }
    )
