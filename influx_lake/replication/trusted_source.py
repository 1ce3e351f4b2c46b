"""Chooses the source of a window where its server may have reverted corrected values."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, OnChangedValues, WriteMode
from influx_lake.config.values.windows import Window
from influx_lake.errors import ValuesWentBack
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.comparison.compare_windows import Depth, compare_windows, lake_counts
from influx_lake.replication.corrections.corrected_rows import CorrectedPoints, corrected_points
from influx_lake.replication.corrections.evidence import Newer, known_policy, policy_of
from influx_lake.replication.definition import is_outdated
from influx_lake.sources.protocol import RowStream, Source
from influx_lake.sources.versions import version_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

log = logging.getLogger("influx_lake.replication")


@dataclass(frozen=True, slots=True)
class Trusted:
    """The source to load a window from.

    Attributes:
        source: The source, or its archive.
        corrected: The points whose values the lake keeps where the source shows older ones.
    """

    source: Source
    corrected: CorrectedPoints | None = None

    def keeping(self, rows: RowStream) -> RowStream:
        """The source's rows, with the values that the lake keeps."""
        return rows if self.corrected is None else self.corrected.keeping(rows)


def trusted_source(
    source: Source, catalog: Catalog, measurement: Measurement, window: Window, archive: Source | None
) -> Trusted:
    """Choose what a window is loaded from: its source, or the archive where the source reverted values.

    Loading a window again from a server that reverts corrections would revert the lake too. Where the lake is known to
    hold the newer values of everything that differs, the load is refused. Where there is more to load, such as late
    points, points that are known to be reverted keep the lake's values. Where it is not known which side is newer, the
    source is loaded, with a warning.

    Raises:
        ValuesWentBack: The lake has the newer values, and there is no archive to load them from.
        LakeError: Source, archive or lake cannot be read.
    """
    # First what needs no query: most loads end here.
    if measurement.write.mode is WriteMode.APPEND or known_policy(measurement, source) is OnChangedValues.LOAD:
        return Trusted(source)
    has_rows = lake_counts(catalog, measurement, [window])[0] > 0
    is_comparable = has_rows and not _is_outdated(catalog, measurement, window)
    if not is_comparable or (policy := policy_of(measurement, source)) is OnChangedValues.LOAD:
        return Trusted(source)
    [found] = compare_windows(source, catalog, measurement, [window], depth=lambda _: Depth.PROFILE, archive=archive)
    if found.evidence is None:
        alike = found.source_rows == found.lake_rows
        return Trusted(source) if alike else _with_more(source, catalog, measurement, window, policy, archive)
    if policy is OnChangedValues.ARCHIVE and archive is not None and found.evidence.archived:
        return Trusted(version_of(archive, newest=True))
    if found.evidence.newer is Newer.SOURCE:
        return Trusted(source)
    where = f"{measurement.table_name} has other values in {', '.join(found.changed)}, and as many rows"
    if found.evidence.newer is Newer.LAKE:
        raise ValuesWentBack(
            f"{where}: {found.evidence.reason}. InfluxDB 3 Core shows the first value again once a later one is "
            "persisted; the table is unchanged",
            remedy="To keep the lake's values, do nothing; to have the source's, set on_changed_values: load for this "
            "load. With the server's files declared (type: influxdb3_parquet), on_changed_values: archive loads the "
            "values written last from these",
        )
    said = f"{where}: {found.evidence.reason}"
    log.warning("%s %s: %s; the source's values are loaded", measurement.name, window, said)
    return Trusted(source, _corrected(source, catalog, measurement, window))


def _is_outdated(catalog: Catalog, measurement: Measurement, window: Window) -> bool:
    table = find_table(catalog, measurement.identifier, measurement.share)
    return is_outdated(measurement, table_state(table), window)


def _with_more(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    window: Window,
    policy: OnChangedValues,
    archive: Source | None,
) -> Trusted:
    """Choose what a window is loaded from where the source has another number of rows."""
    corrected = _corrected(source, catalog, measurement, window)
    if corrected is not None and policy is OnChangedValues.ARCHIVE and archive is not None:
        name = measurement.name
        if archive.count(name, window) == source.count(name, window):
            return Trusted(version_of(archive, newest=True))
    return Trusted(source, corrected)


def _corrected(source: Source, catalog: Catalog, measurement: Measurement, window: Window) -> CorrectedPoints | None:
    table = find_table(catalog, measurement.identifier, measurement.share)
    return corrected_points(table, measurement, source.schema(measurement.name), window) if table else None
