"""Evidence for which side is newer where a window has as many rows on both sides and other values.

InfluxDB 3 Core (3.6) shows a corrected value until it is persisted; from then on each query has the value that was
persisted first. So a window that differs may be one in which the lake is right.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, OnChangedValues
from influx_lake.config.values.source_schema import ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.table_state.changes import is_load_of
from influx_lake.replication.changed_values import LakeColumns, changed_columns
from influx_lake.sources.profile import Profile, profiles_of, scale_for
from influx_lake.sources.protocol import Source
from influx_lake.sources.versions import version_of

if TYPE_CHECKING:
    from pyiceberg.table import Table

MOST_VERSIONS = 5
"""How many earlier snapshots of a window are examined at most."""

_lock = threading.Lock()
_takes_back: dict[str, bool] = {}


class Newer(StrEnum):
    """The side with the value that was written last."""

    LAKE = "lake"
    SOURCE = "source"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which side is newer, and why.

    Attributes:
        newer: The newer side.
        reason: The reason, in words.
        archived: Whether the archive has as many rows, so that the window can be loaded from it.
        as_archived: Whether the lake has the archive's values.
    """

    newer: Newer
    reason: str
    archived: bool = False
    as_archived: bool = False


def policy_of(measurement: Measurement, source: Source) -> OnChangedValues:
    """The effective `on_changed_values`: the measurement's own, else the default for its server, which is asked once.

    Raises:
        SourceError: The server does not say which product it is.
    """
    known = known_policy(measurement, source)
    if known is not None:
        return known
    takes_back = "Core" in source.server().product
    with _lock:
        _takes_back[source.identity] = takes_back
    return _default_policy(takes_back)


def known_policy(measurement: Measurement, source: Source) -> OnChangedValues | None:
    """The effective `on_changed_values` without asking a server; None where the server would have to be asked.

    InfluxDB 3 Core, by its reported product name, is the only server that reverts corrections.
    """
    if measurement.on_changed_values is not None:
        return measurement.on_changed_values
    if not source.identity.startswith("influxdb3://"):
        return OnChangedValues.LOAD
    with _lock:
        known = _takes_back.get(source.identity)
    return None if known is None else _default_policy(known)


def _default_policy(takes_back: bool) -> OnChangedValues:
    return OnChangedValues.REPORT if takes_back else OnChangedValues.LOAD


def weigh(
    source: Source,
    table: Table,
    measurement: Measurement,
    window: Window,
    changed: Sequence[str],
    archive: Source | None = None,
) -> Evidence:
    """Determine which side has the newer values: by the archive, else by earlier snapshots of the table.

    Args:
        source: The measurement's source.
        table: Its table.
        measurement: The measurement.
        window: The window, with as many rows on both sides.
        changed: The columns whose values differ.
        archive: The archive of the source.

    Raises:
        LakeError: Source, archive or lake cannot be read.
    """
    declared = source.schema(measurement.name)
    # With the key columns, by which files are merged.
    columns = tuple(column for column in declared.columns if column.role is not Role.FIELD or column.name in changed)
    schema = MeasurementSchema(measurement.name, columns)
    sides = _Sides(table, measurement, schema, window)
    theirs = sides.of_source(source)
    if archive is not None:
        found = _of_archive(archive, sides, source)
        if found is not None:
            return found
    for snapshot_id, moment in earlier_versions(table, window):
        if sides.in_lake(theirs, snapshot_id):
            return Evidence(
                Newer.LAKE, f"the source shows what the lake held until {moment:%Y-%m-%d %H:%M} UTC, so it went back"
            )
    return Evidence(Newer.UNKNOWN, "it is not known whether the source has newer values or reverted to older ones")


def missed_correction(
    source: Source, table: Table, measurement: Measurement, window: Window, archive: Source
) -> tuple[tuple[str, ...], Evidence] | None:
    """Find a correction that neither lake nor source has: the columns with other values in the archive, and the
    evidence.

    None where the archive lacks points of the window, or the source shows values that are not persisted yet.
    """
    schema = source.schema(measurement.name)
    if archive.count(measurement.name, window) != source.count(measurement.name, window):
        return None
    [columns] = changed_columns(version_of(archive, newest=True), table, measurement, [window])
    [unlike_first] = changed_columns(version_of(archive, newest=False), table, measurement, [window])
    if not columns or set(columns) & set(unlike_first):
        return None
    names = tuple(column.name for column in schema.columns if column.name in columns)
    return names, Evidence(Newer.UNKNOWN, "the archive has values that were written later", archived=True)


def _of_archive(archive: Source, sides: _Sides, source: Source) -> Evidence | None:
    """The archive's evidence; None where the archive lacks points of the window."""
    name, window = sides.measurement.name, sides.window
    if archive.count(name, window) != source.count(name, window):
        return None
    [written_last, written_first] = [sides.of_source(version_of(archive, newest=each)) for each in (True, False)]
    went_back = written_first == sides.of_source(source, like=written_first)
    if sides.in_lake(written_last):
        if went_back:
            reason = "the lake has what was persisted last, as the archive tells, so the source went back"
            return Evidence(Newer.LAKE, reason, archived=True, as_archived=True)
        return Evidence(Newer.SOURCE, "the source shows values that are not persisted yet")
    if went_back:
        return Evidence(Newer.UNKNOWN, "the archive has others, which were written later", archived=True)
    return Evidence(Newer.SOURCE, "the source has other values than the first ones, so they were written later")


@dataclass(frozen=True, slots=True)
class _Sides:
    """The profiles of a window's differing columns, in source, archive and snapshots of the table."""

    table: Table
    measurement: Measurement
    schema: MeasurementSchema
    window: Window

    def of_source(self, source: Source, like: Profile | None = None) -> Profile:
        """The profile of a source, scaled for its own values or for those of another profile."""
        if like is None:
            [like] = profiles_of(source, self.schema, [self.window], {})
        [found] = profiles_of(source, self.schema, [self.window], self._scales(like))
        return found

    def in_lake(self, profile: Profile, snapshot_id: int | None = None) -> bool:
        """Whether the lake has a source's values, in the current or in an earlier snapshot."""
        lake = LakeColumns.of(self.table, self.measurement, self.schema, snapshot_id)
        here = lake.profile(self.window, self._scales(profile))
        return all(here.get(name) == found for name, found in profile.items())

    def _scales(self, profile: Profile) -> dict[str, float]:
        floats = [column.name for column in self.schema.columns if column.type is ColumnType.FLOAT]
        return {name: scale_for(max(abs(profile[name].low or 0.0), abs(profile[name].high or 0.0))) for name in floats}


def earlier_versions(table: Table, window: Window) -> Iterator[tuple[int, datetime]]:
    """The snapshot before each of our commits of a window, newest first, with the time of that commit.

    None where other tools have written since: then snapshots are not what a source once had.
    """
    from pyiceberg.table.snapshots import Operation

    found, snapshot = 0, table.current_snapshot()
    while snapshot is not None and found < MOST_VERSIONS:
        summary = snapshot.summary
        said = summary.additional_properties.get("influx-lake.window") if summary else None
        before = snapshot.parent_snapshot_id
        parent = table.snapshot_by_id(before) if before is not None else None
        if said is None:
            if not found and (summary is None or summary.operation is not Operation.REPLACE):
                return
        elif parent is not None and is_load_of(snapshot, share_of(table)) and window.overlaps(Window.parse(said)):
            found += 1
            yield parent.snapshot_id, datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
        snapshot = parent
