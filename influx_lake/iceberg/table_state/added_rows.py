"""The time ranges of rows that other tools added beside those of loads, from the bounds of their files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window, merged
from influx_lake.iceberg.scan.manifest_cache import manifests_of
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.share_files import may_hold_share
from influx_lake.iceberg.table_state.changes import Kind, change_of
from influx_lake.iceberg.table_state.lineage import Lineage

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

MOST_PARTS = 200
"""The largest number of intervals kept for one snapshot; beyond it, one interval from the first to the last."""
_EARLIEST_US, _LATEST_US = -62_135_596_800_000_000, 253_402_300_798_999_999
"""The range of Python's datetime, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Added:
    """The time ranges of rows that other tools added, by snapshot id.

    Attributes:
        there: Of files that the current snapshot has.
        compacted: Of files that it lacks because they were rewritten with all of their rows.
        rewritten: Of other files that it lacks because rows were deleted or replaced: these rows may be among them.
    """

    there: dict[int, tuple[Window, ...]]
    compacted: dict[int, tuple[Window, ...]]
    rewritten: dict[int, tuple[Window, ...]]


def rows_added_by(
    table: Table, lineage: Lineage, foreign: Sequence[Snapshot], time_id: int, whole: Window | None
) -> Added:
    """The time ranges of rows that other tools' snapshots added.

    No file is read, so a range may extend from the first to the last row of a file.

    Args:
        table: The table.
        lineage: The table's snapshots.
        foreign: Other tools' snapshots, oldest first, of which the last is the current one.
        time_id: The field id of the time column.
        whole: The time range of files without bounds; None leaves such files out.
    """
    kinds = {each.snapshot_id: change_of(each).kind for each in foreign}

    def times(snapshot: Snapshot, ids: Collection[int]) -> dict[int, tuple[Window, ...]]:
        found: dict[int, list[Window]] = {}
        for snapshot_id, file in _files_of(table, snapshot, ids):
            if (time := _time_of(file, time_id) or whole) is not None:
                found.setdefault(snapshot_id, []).append(time)
        return {snapshot_id: _bounded(merged(each)) for snapshot_id, each in found.items()}

    added = Added(times(foreign[-1], kinds), {}, {})
    for place, each in enumerate(foreign):
        since = {kinds[later.snapshot_id] for later in foreign[place + 1 :]}
        if kinds[each.snapshot_id] is Kind.APPEND and each.snapshot_id not in added.there and lineage.is_there(each):
            if Kind.REPLACE in since:
                added.compacted.update(times(each, {each.snapshot_id}))
            elif since - {Kind.APPEND}:
                added.rewritten.update(times(each, {each.snapshot_id}))
    for snapshot_id in list(added.there):
        if kinds[snapshot_id] not in (Kind.APPEND, Kind.OVERWRITE):
            del added.there[snapshot_id]
    return added


def _files_of(table: Table, snapshot: Snapshot, ids: Collection[int]) -> Iterator[tuple[int, DataFile]]:
    """The data files of a snapshot that were added by given snapshots, each with the id of that; without files that
    hold no viewed rows.
    """
    from pyiceberg.manifest import ManifestContent

    may_hold = may_hold_share(table)
    for manifest in manifests_of(snapshot, table.io):
        if manifest.content is not ManifestContent.DATA or manifest.added_snapshot_id not in ids:
            continue
        for entry in manifest.fetch_manifest_entry(table.io):
            if entry.snapshot_id is not None and entry.snapshot_id in ids and may_hold(entry.data_file):
                yield entry.snapshot_id, entry.data_file


def _time_of(file: DataFile, time_id: int) -> Window | None:
    bounds = time_bounds(file, time_id)
    if bounds is None:
        return None
    first, last = (min(max(bound, _EARLIEST_US), _LATEST_US) for bound in bounds)
    return Window(EPOCH + first * MICROSECOND, EPOCH + (last + 1) * MICROSECOND)


def _bounded(times: Sequence[Window]) -> tuple[Window, ...]:
    return (Window(times[0].start, times[-1].end),) if len(times) > MOST_PARTS else tuple(times)
