"""Where a window is taken from that the lake has with other values."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, OnChangedValues, WriteMode
from influx_lake.config.windows import Window
from influx_lake.errors import ValuesWentBack
from influx_lake.replication.compare import compare_windows, lake_counts
from influx_lake.replication.corrections import Newer, known_policy, policy_of
from influx_lake.sources.protocol import Source
from influx_lake.sources.versions import version_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

log = logging.getLogger("influx_lake.replication")


def trusted_source(
    source: Source, catalog: Catalog, measurement: Measurement, window: Window, archive: Source | None
) -> Source:
    """What a window is loaded from: its source, or the archive where the source went back to older values.

    A server that takes corrections back would have the lake follow it when a window is loaded again. Where the lake is
    known to hold the newer values, that is stopped; where nothing tells, it is said and done.

    Raises:
        ValuesWentBack: The lake has the newer values, and there is no archive to take them from.
        LakeError: One of the sides cannot tell.
    """
    # What is known without asking anybody comes first: most loads end here.
    if measurement.write.mode is WriteMode.APPEND or known_policy(measurement, source) is OnChangedValues.LOAD:
        return source
    has_rows = lake_counts(catalog, measurement, [window])[0] > 0
    if not has_rows or (policy := policy_of(measurement, source)) is OnChangedValues.LOAD:
        return source
    [found] = compare_windows(source, catalog, measurement, [window], profiled=lambda _: True, archive=archive)
    if found.evidence is None:
        return source
    if policy is OnChangedValues.ARCHIVE and archive is not None and found.evidence.archived:
        return version_of(archive, newest=True)
    if found.evidence.newer is Newer.SOURCE:
        return source
    where = f"{measurement.table_name} has other values in {', '.join(found.changed)}, and as many rows"
    if found.evidence.newer is Newer.LAKE:
        raise ValuesWentBack(
            f"{where}: {found.evidence.reason}. InfluxDB 3 Core shows the first value again once a later one is "
            "persisted; the table is unchanged",
            remedy="To keep the lake's values, do nothing; to have the source's, set on_changed_values: load for this "
            "load. With the server's files declared (type: influxdb3_parquet), on_changed_values: archive takes what "
            "was written last from there",
        )
    said = f"{where}: {found.evidence.reason}"
    log.warning("%s %s: %s; the source's are loaded", measurement.name, window, said)
    return source
