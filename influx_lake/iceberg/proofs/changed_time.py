"""Determines the time ranges in which rows changed between two snapshots of a table, from what each snapshot did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window, merged, utc_text
from influx_lake.errors import LakeError
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.manifest_cache import manifests_of
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.share_files import may_hold_share
from influx_lake.iceberg.table_state.changes import Kind, change_of, engine_of, is_load_of, moment_of, summary_of
from influx_lake.iceberg.table_state.coverage import at_most, parse_windows, windows_text
from influx_lake.iceberg.table_state.lineage import Lineage, is_ours
from influx_lake.iceberg.table_state.rebuilding import WINDOW

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

CHANGED_TIME = "influx-lake.changed-time"
"""The property of a snapshot's summary: the time ranges of removed files that its manifests do not list."""
MOST_PARTS = 24
"""The largest number of intervals in that property."""
_EVER = Window(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
_MAINTENANCE = "influx-lake.maintenance"
_RUN = "influx-lake.run-id"


@dataclass(frozen=True, slots=True)
class ChangedTime:
    """The change that one snapshot made to the viewed rows.

    Attributes:
        windows: The time in which rows may have changed.
        why: What happened, for people.
    """

    windows: tuple[Window, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Since:
    """The changes of a table since a snapshot was its current one.

    Attributes:
        changes: The changes, oldest first, without snapshots that changed no row, such as compactions and loads of
            another measurement.
        undone: Snapshots that are no longer ancestors of the current one, because the table was rolled back.
    """

    changes: tuple[ChangedTime, ...] = ()
    undone: frozenset[int] = frozenset()


def changed_since(table: Table, snapshot_id: int, time_id: int | None) -> Since:
    """The changes of a table's rows since a snapshot was its current one.

    A load changes its window. Other tools change the time range of the files that they add and remove; delete files
    change all time. All time is also changed where it is unknown: the snapshots in between were expired by another
    tool, or the table no longer descends from the snapshot.

    Args:
        table: The table, under the names that loads know.
        snapshot_id: The snapshot.
        time_id: The field id of the time column.
    """
    current = table.current_snapshot()
    if current is None:
        return Since((ChangedTime((_EVER,), "the table has no snapshot any more"),))
    lineage, later = Lineage(table), list["Snapshot"]()
    for each in lineage.line(current):
        if each.snapshot_id == snapshot_id:
            return Since(tuple(_changes(table, later[::-1], time_id)))
        later.append(each)
    places = {each.snapshot_id: place for place, each in enumerate(later)}
    before, undone = lineage.find(snapshot_id), set[int]()
    for each in lineage.line(before) if before is not None else ():
        if each.snapshot_id in places:
            since = later[: places[each.snapshot_id]]
            return Since(tuple(_changes(table, since[::-1], time_id)), frozenset(undone))
        undone.add(each.snapshot_id)
    gone = "snapshots since were expired by another tool, or taken back, so that their changes are unknown"
    return Since((ChangedTime((_EVER,), gone),), frozenset(undone))


def _changes(table: Table, snapshots: Sequence[Snapshot], time_id: int | None) -> Iterator[ChangedTime]:
    for each in snapshots:
        told = summary_of(each)
        if is_ours(each) and WINDOW in told:
            if is_load_of(each, share_of(table)):
                by = f" by {told[_RUN]}" if told.get(_RUN) else ""
                yield ChangedTime((Window.parse(told[WINDOW]),), f"loaded again at {_moment(each)}{by}")
            continue
        if change_of(each).kind is Kind.REPLACE:
            continue
        why = _description(each)
        try:
            with catalog_errors(f"find out what snapshot {each.snapshot_id} changed"):
                windows = _time_of(table, each, time_id)
        except LakeError as error:
            windows, why = (_EVER,), f"{why}, and its changes are unknown: {error.message}"
        if windows:
            yield ChangedTime(windows, why)


def _description(snapshot: Snapshot) -> str:
    told = summary_of(snapshot)
    if (kind := told.get(_MAINTENANCE)) is not None:
        words = {"erase": "rows erased", "retention": "rows dropped by retention"}
        return f"{words.get(kind, kind)} at {_moment(snapshot)}"
    by = engine_of(snapshot) or "others"
    return f"changed by {by} at {_moment(snapshot)} ({change_of(snapshot).kind}, snapshot {snapshot.snapshot_id})"


def _moment(snapshot: Snapshot) -> str:
    return utc_text(moment_of(snapshot.timestamp_ms))


def _time_of(table: Table, snapshot: Snapshot, time_id: int | None) -> tuple[Window, ...]:
    """The time ranges of the files that a snapshot added and removed; all time where it added delete files."""
    from pyiceberg.manifest import ManifestContent, ManifestEntryStatus

    found, may_hold = [*parse_windows(summary_of(snapshot).get(CHANGED_TIME, ""))], may_hold_share(table)
    for manifest in manifests_of(snapshot, table.io):
        if manifest.added_snapshot_id != snapshot.snapshot_id:
            continue
        if manifest.content is ManifestContent.DELETES:
            return (_EVER,)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
            changed = entry.status in (ManifestEntryStatus.ADDED, ManifestEntryStatus.DELETED)
            if changed and entry.snapshot_id == snapshot.snapshot_id and may_hold(entry.data_file):
                found.append(_window_of(entry.data_file, time_id))
    return merged(found)


def changed_time_property(files: Iterable[DataFile], time_id: int | None) -> dict[str, str]:
    """The property for a snapshot that removes files and does not list them."""
    windows = at_most(merged(_window_of(file, time_id) for file in files), MOST_PARTS)
    return {CHANGED_TIME: windows_text(windows)} if windows else {}


def _window_of(file: DataFile, time_id: int | None) -> Window:
    bounds = None if time_id is None else time_bounds(file, time_id)
    if bounds is None:
        return _EVER
    first, last = bounds
    start = max(first, _EVER.start_us)
    return Window(EPOCH + start * MICROSECOND, EPOCH + min(max(last + 1, start + 1), _EVER.end_us) * MICROSECOND)
