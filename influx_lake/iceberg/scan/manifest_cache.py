"""Reads and caches manifest lists and scan plans: a commit needs the list that its plan has read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import DataScan, FileScanTask
    from pyiceberg.table.snapshots import Snapshot

K = TypeVar("K")
V = TypeVar("V")

LISTS_KEPT = 8
"""The number of snapshots whose lists are cached: a table in use has its newest one, and the one before."""

PLANS_KEPT = 4
LARGEST_PLAN = 100
"""The largest number of files of a plan that is cached: a window has few."""

_lists: OrderedDict[str, tuple[ManifestFile, ...]] = OrderedDict()
_plans: OrderedDict[tuple[str, str], list[FileScanTask]] = OrderedDict()
_lock = threading.Lock()


def manifests_of(snapshot: Snapshot, io: FileIO) -> tuple[ManifestFile, ...]:
    """The manifests of a snapshot; cached for the last few snapshots."""
    from pyiceberg.manifest import read_manifest_list

    place = snapshot.manifest_list
    with _lock:
        if (known := _lists.get(place)) is not None:
            _lists.move_to_end(place)
            return known
    # A manifest list never changes: its name has the id of its snapshot and a UUID.
    found = tuple(read_manifest_list(io.new_input(place)))
    _put(_lists, place, found, LISTS_KEPT)
    return found


def keep_manifests(place: str, manifests: tuple[ManifestFile, ...]) -> None:
    """Cache a manifest list that was just written."""
    _put(_lists, place, manifests, LISTS_KEPT)


def planned_files(scan: DataScan) -> list[FileScanTask]:
    """The files of a scan, as of `scan.plan_files()`; cached for the last few scans.

    A window is counted before it is replaced, in the same snapshot.
    """
    from pyiceberg.expressions.visitors import bind

    snapshot = scan.snapshot()
    if snapshot is None or scan._should_use_server_side_planning():
        return list(scan.plan_files())
    # Bound to field ids, since views of a table have different column names.
    asked = snapshot.manifest_list, repr(bind(scan.table_metadata.schema(), scan.row_filter, scan.case_sensitive))
    with _lock:
        if (known := _plans.get(asked)) is not None:
            return list(known)
    found = list(scan._manifest_planner.plan_files(manifests_of(snapshot, scan.io)))
    if len(found) <= LARGEST_PLAN:
        _put(_plans, asked, found, PLANS_KEPT)
    return found


def _put(known: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    with _lock:
        known[key] = value
        known.move_to_end(key)
        while len(known) > most:
            known.popitem(last=False)
