"""The manifests of snapshots. Their list is read for a plan, and would be read again for the commit of that plan."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import DataScan, FileScanTask
    from pyiceberg.table.snapshots import Snapshot


def manifests_of(snapshot: Snapshot, io: FileIO) -> tuple[ManifestFile, ...]:
    """The manifests of a snapshot; those of the last few are known."""
    return _read(snapshot.manifest_list, io)


def planned_files(scan: DataScan) -> list[FileScanTask]:
    """The files of a scan, as `scan.plan_files()` finds them."""
    snapshot = scan.snapshot()
    if snapshot is None or scan._should_use_server_side_planning():
        return list(scan.plan_files())
    return list(scan._manifest_planner.plan_files(manifests_of(snapshot, scan.io)))


@lru_cache(maxsize=4)
def _read(manifest_list: str, io: FileIO) -> tuple[ManifestFile, ...]:
    # Such a file is never written again: its name is its snapshot's.
    from pyiceberg.manifest import read_manifest_list

    return tuple(read_manifest_list(io.new_input(manifest_list)))
