"""Keys of assets and resources, and the metadata of an asset about its table."""

from __future__ import annotations

from functools import lru_cache

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.source_schema import TIME
from influx_lake.orchestration.lake_names import UNNAMED

IO_MANAGER_KEY = UNNAMED.io_manager
"""The resource key of the `IcebergIOManager` of a lake without a name; it stores assets in the lake's catalog."""


TABLE = "influx_lake/table"
"""The metadata of an asset whose key is not its table: the table."""

PATH = "influx_lake/path"
"""The metadata of an asset whose key a component translated: its original key."""

SHARE = "influx_lake/share"
"""The metadata of an asset with a share of a table: the column that identifies the share, and its value."""


def asset_key(measurement: Measurement) -> dg.AssetKey:
    """The key of a measurement's asset: its path, unless the component translates it."""
    return _key(measurement.asset or measurement.path)


def rollup_key(rollup: Rollup) -> dg.AssetKey:
    """The key of a roll-up's asset: its table, unless the component translates it."""
    return dg.AssetKey(list(rollup.asset or rollup.identifier))


@lru_cache(maxsize=1 << 16)
def _key(path: tuple[str, ...]) -> dg.AssetKey:
    # Each job and sensor names all of them.
    return dg.AssetKey(list(path))


def table_metadata(
    identifier: tuple[str, ...], warehouse: str | None, time_column: str = TIME, share: Share | None = None
) -> dict[str, str | list[str]]:
    """The metadata of an asset about its table, and about its share of a table with several measurements."""
    facts: dict[str, str | list[str]] = {
        "dagster/table_name": ".".join(identifier),
        "dagster/storage_kind": "iceberg",
    }
    if time_column != TIME:
        # The IO manager reads partitions by this column when it loads inputs.
        facts["time_column"] = time_column
    if share is not None:
        facts |= {TABLE: list(identifier), SHARE: [share.column, share.value]}
    if warehouse:
        facts["dagster/uri"] = "/".join((warehouse, ".".join(identifier[:-1]), identifier[-1]))
    return facts
