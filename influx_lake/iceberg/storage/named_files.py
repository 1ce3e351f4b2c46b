"""Determines which files a table's metadata references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from influx_lake.iceberg.storage.requests import each_of

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot


def no_longer_named(before: TableMetadata, after: TableMetadata, io: FileIO) -> dict[str, int]:
    """The files that only removed snapshots of a table need; their sizes by path, 0 where unknown.

    Args:
        before: The table's metadata before.
        after: The metadata afterwards: files that it references are not returned.
        io: The FileIO.

    Raises:
        OSError: Metadata of a remaining snapshot cannot be read.
    """
    kept_lists = {snapshot.manifest_list for snapshot in after.snapshots}
    gone = [each for each in before.snapshots if each.manifest_list not in kept_lists]
    found: dict[str, int] = {snapshot.manifest_list: 0 for snapshot in gone}
    kept = manifests_of_all(after.snapshots, io)
    manifests = {path: each for path, each in manifests_of_all(gone, io, missing_ok=True).items() if path not in kept}
    files: dict[str, int] = {}
    for entries in each_of(lambda manifest: live_files(manifest, io, missing_ok=True), manifests.values()):
        files.update((file.file_path, file.file_size_in_bytes) for file in entries)
    for entries in each_of(lambda manifest: live_files(manifest, io), kept.values() if files else ()):
        for file in entries:
            files.pop(file.file_path, None)
    statistics = set(_statistics(after))
    found.update((path, manifest.manifest_length) for path, manifest in manifests.items())
    found.update((path, size) for path, size in _statistics_sizes(before) if path not in statistics)
    return found | files


@dataclass(slots=True)
class NamedFiles:
    """The names of all files that a table's metadata references, without their folders.

    A folder can be written in several ways (`s3://` and `s3a://`, `/data` and `file:/data`, a link), while Iceberg
    writers give each file a unique name. So a file with a known name is always the table's.
    """

    names: set[str] = field(default_factory=set)
    _read: set[str] = field(default_factory=set)

    def add(self, table: Table) -> None:
        """Add the files of a table as it is now; metadata files that were read before are not read again.

        Raises:
            OSError: Its metadata cannot be read.
        """
        metadata = table.metadata
        paths = [table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)]
        paths += _statistics(metadata)
        snapshots = [each for each in metadata.snapshots if each.manifest_list not in self._read]
        manifests = manifests_of_all(snapshots, table.io)
        unread = [manifest for path, manifest in manifests.items() if path not in self._read]
        for entries in each_of(lambda manifest: live_files(manifest, table.io), unread):
            self.names.update(name_of(file.file_path) for file in entries)
        lists = [snapshot.manifest_list for snapshot in snapshots]
        self._read.update(lists, manifests)
        self.names.update(map(name_of, chain(paths, lists, manifests)))


def name_of(path: str) -> str:
    """The last component of a path."""
    return path.rsplit("/", 1)[-1]


def manifests_of_all(snapshots: Iterable[Snapshot], io: FileIO, *, missing_ok: bool = False) -> dict[str, ManifestFile]:
    """The manifests of snapshots, each once, by path.

    Args:
        snapshots: The snapshots.
        io: The FileIO.
        missing_ok: Skip missing manifest lists.
    """
    # `manifests_of` would evict the manifest lists that loads use from its cache.
    from pyiceberg.manifest import read_manifest_list

    def read(path: str) -> list[ManifestFile]:
        try:
            return list(read_manifest_list(io.new_input(path)))
        except FileNotFoundError:
            if not missing_ok:
                raise
            return []

    found: dict[str, ManifestFile] = {}
    for manifests in each_of(read, dict.fromkeys(snapshot.manifest_list for snapshot in snapshots)):
        for manifest in manifests:
            found.setdefault(manifest.manifest_path, manifest)
    return found


def live_files(manifest: ManifestFile, io: FileIO, *, missing_ok: bool = False) -> list[DataFile]:
    """The data files or delete files of a manifest, without those that it lists as removed."""
    try:
        return [entry.data_file for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)]
    except FileNotFoundError:
        if not missing_ok:
            raise
        return []


def _statistics(metadata: TableMetadata) -> list[str]:
    return [path for path, _ in _statistics_sizes(metadata)]


def _statistics_sizes(metadata: TableMetadata) -> Iterator[tuple[str, int]]:
    for each in chain(metadata.statistics, metadata.partition_statistics):
        yield each.statistics_path, each.file_size_in_bytes
