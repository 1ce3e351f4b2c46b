"""Removes orphans from a table's folders: files of failed loads, and metadata of lost commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.options import Kind, OrphanOptions
from influx_lake.config.values.units import counted, format_duration
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.maintenance.task import Maintained, TableTask, deletion_refusal, figures_of, open_actual
from influx_lake.iceberg.parts.records import SUFFIX
from influx_lake.iceberg.storage.deletion import Deleted, delete_for_good
from influx_lake.iceberg.storage.listing import StoredFile, files_below
from influx_lake.iceberg.storage.metadata_files import METADATA, check_of_table
from influx_lake.iceberg.storage.named_files import NamedFiles, name_of
from influx_lake.iceberg.storage.table_folders import check_alone, folders_of

if TYPE_CHECKING:
    from pyiceberg.table import Table

_OF_ICEBERG = (".parquet", ".orc", ".avro", ".puffin", ".stats", *METADATA, SUFFIX)
"""The endings of files that belong to tables, or to parts that wait for their commit; other files are no orphans."""
_CHECKSUM = ".crc"
"""The ending of checksum files: Hadoop's local file system writes `.NAME.crc` beside each file."""


def remove_orphans(task: TableTask, options: OrphanOptions) -> Maintained:
    """Delete files below the table's folders that are old enough and that no snapshot, branch or tag of it needs.

    A young file may belong to a load that is about to commit it; so may a file whose age the store does not tell. Files
    that are not Iceberg's are left.

    Raises:
        TableUnsupported: The same folders hold files of another table.
        StorageError: Files could not be listed, or deleted.
        LakeError: Nothing was done.
    """
    table = open_actual(task)
    if (refusal := deletion_refusal(table)) is not None:
        figures = figures_of(task, table)
        return Maintained(
            Kind.REMOVE_ORPHANS, task.target.name, figures, figures, dry_run=task.dry_run, left=(refusal,)
        )
    check_alone(task.catalog, table)
    named = NamedFiles()
    with catalog_errors(f"list the files of {task.target.name}"):
        named.add(table)
        found = _Found.below(table, named, task.now - options.older_than)
    check_of_table(table, found.metadata)
    # Files that were committed since are needed, however old they are.
    now = open_actual(task)
    with catalog_errors(f"find the files that {task.target.name} needs"):
        named.add(now)
    orphans = {path: size for path, size in found.old.items() if _judged_by(path) not in named.names}
    before = figures_of(task, now)
    deleted = Deleted.of(orphans) if task.dry_run else delete_for_good(now.io, orphans, task.target.name)
    return Maintained(
        kind=Kind.REMOVE_ORPHANS,
        table=task.target.name,
        before=before,
        after=before,
        done={
            "files_found": found.files,
            "orphans_before": len(orphans),
            "orphans_after": len(orphans) if task.dry_run else 0,
            "files_removed": deleted.files,
            "bytes_removed": deleted.bytes,
        },
        dry_run=task.dry_run,
        left=found.left(options),
        files=deleted.examples,
    )


@dataclass(slots=True)
class _Found:
    """The files below a table's folders.

    Attributes:
        files: The number of files.
        old: Files that the table's metadata does not reference and that are old enough, with their sizes.
        young: Files that are too young, or whose age is unknown.
        foreign: Files that belong to no table.
        metadata: Metadata files that are not referenced.
    """

    files: int = 0
    old: dict[str, int] = field(default_factory=dict)
    young: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)

    @classmethod
    def below(cls, table: Table, named: NamedFiles, since: datetime) -> _Found:
        found = cls()
        for folder in folders_of(table):
            for file in files_below(table.io, folder):
                found.files += 1
                found._take(file, named, since)
        return found

    def _take(self, file: StoredFile, named: NamedFiles, since: datetime) -> None:
        name = _judged_by(file.path)
        if name in named.names:
            return
        if not name.endswith(_OF_ICEBERG):
            self.foreign.append(file.path)
            return
        if file.path.endswith(METADATA):
            self.metadata.append(file.path)
        if file.modified is None or file.modified >= since:
            self.young.append(file.path)
        else:
            self.old[file.path] = file.size

    def left(self, options: OrphanOptions) -> tuple[str, ...]:
        said = []
        if self.young:
            files, age = counted(len(self.young), "file"), format_duration(options.older_than)
            said.append(f"{files} of no snapshot, not older than {age}: a load may be about to commit them")
        if self.foreign:
            said.append(f"{counted(len(self.foreign), 'file')} that no table has, such as {self.foreign[0]}")
        return tuple(said)


def _judged_by(path: str) -> str:
    """The name of a file; of a checksum file that of the file it belongs to."""
    name = name_of(path)
    is_checksum = name.startswith(".") and name.endswith(_CHECKSUM)
    return name[1:].removesuffix(_CHECKSUM) if is_checksum else name
