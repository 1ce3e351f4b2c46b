"""Which time of a table got other rows between two of its snapshots: what each of those between did."""

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
"""The property of a snapshot's summary: the time of files that it removed and does not name."""
MOST_PARTS = 24
"""How many intervals that property has at most."""
_EVER = Window(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
_MAINTENANCE = "influx-lake.maintenance"
_RUN = "influx-lake.run-id"


@dataclass(frozen=True, slots=True)
class ChangedTime:
    """What one snapshot did to the rows that are looked at.

    Attributes:
        windows: The time whose rows may be others.
        why: What happened, in words.
    """

    windows: tuple[Window, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Since:
    """What happened to a table since it read a snapshot.

    Attributes:
        changes: What did, oldest first. A snapshot that changed no row is not among them: a compaction, a load of
            another measurement.
        undone: The snapshots that the table read then and no longer descends from: it was set to an earlier one.
    """

    changes: tuple[ChangedTime, ...] = ()
    undone: frozenset[int] = frozenset()


def changed_since(table: Table, snapshot_id: int, time_id: int | None) -> Since:
    """What happened to the rows of a table since it read a snapshot.

    A load changes its window. What others did is told by the time of the files that came and went, and a file with
    deletes by that of all of them. Where it can no longer be told, all time is changed: the snapshots between expired
    without us, or the table no longer descends from the snapshot.

    Args:
        table: The table, under the names that loads know.
        snapshot_id: The snapshot.
        time_id: The field id of the column that places a row in a window.
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
    gone = "snapshots since were expired by others, or taken back, so that nobody can tell what they did"
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
        why = _deed(each)
        try:
            with catalog_errors(f"find out what snapshot {each.snapshot_id} changed"):
                windows = _time_of(table, each, time_id)
        except LakeError as error:
            windows, why = (_EVER,), f"{why}, and what it changed cannot be told: {error.message}"
        if windows:
            yield ChangedTime(windows, why)


def _deed(snapshot: Snapshot) -> str:
    told = summary_of(snapshot)
    if (kind := told.get(_MAINTENANCE)) is not None:
        words = {"erase": "rows erased", "retention": "rows dropped by retention"}
        return f"{words.get(kind, kind)} at {_moment(snapshot)}"
    by = engine_of(snapshot) or "others"
    return f"changed by {by} at {_moment(snapshot)} ({change_of(snapshot).kind}, snapshot {snapshot.snapshot_id})"


def _moment(snapshot: Snapshot) -> str:
    return utc_text(moment_of(snapshot.timestamp_ms))


def _time_of(table: Table, snapshot: Snapshot, time_id: int | None) -> tuple[Window, ...]:
    """The time of the files that a snapshot added and removed; all time where it added deletes."""
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


def time_told(files: Iterable[DataFile], time_id: int | None) -> dict[str, str]:
    """The property for a snapshot that removes files and does not name them."""
    windows = at_most(merged(_window_of(file, time_id) for file in files), MOST_PARTS)
    return {CHANGED_TIME: windows_text(windows)} if windows else {}


def _window_of(file: DataFile, time_id: int | None) -> Window:
    bounds = None if time_id is None else time_bounds(file, time_id)
    if bounds is None:
        return _EVER
    first, last = bounds
    start = max(first, _EVER.start_us)
    return Window(EPOCH + start * MICROSECOND, EPOCH + min(max(last + 1, start + 1), _EVER.end_us) * MICROSECOND)
