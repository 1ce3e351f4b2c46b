"""Records windows in Dagster that were loaded without it: by the command line, or before its storage was recreated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import Scheme, Window
from influx_lake.orchestration.keys import asset_key, rollup_key
from influx_lake.orchestration.tags import partitions_of
from influx_lake.orchestration.window_metadata import partition_facts, recorded_facts, standing_facts

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def report_loaded_windows(instance: dg.DagsterInstance, lake: Lake, catalog: Catalog) -> int:
    """Record a materialisation of each loaded partition that Dagster does not know.

    Args:
        instance: Dagster's instance.
        lake: The lake.
        catalog: Its catalog; only metadata are read.

    Returns:
        The number of recorded materialisations.

    Raises:
        CatalogError: The catalog cannot be reached or refuses.
    """
    assets = (asset for measurement in lake.measurements for asset in _of(measurement))
    return sum(_report(instance, asset, catalog, "without Dagster") for asset in assets)


def report_windows_of_run(instance: dg.DagsterInstance, lake: Lake, catalog: Catalog, run: dg.DagsterRun) -> int:
    """Record a materialisation of each partition that a run committed and did not report before it died.

    Args:
        instance: Dagster's instance.
        lake: The lake.
        catalog: Its catalog; only metadata are read.
        run: The run.

    Returns:
        The number of recorded materialisations.

    Raises:
        CatalogError: The catalog cannot be reached or refuses.
    """
    partitions, assets = partitions_of(run), run.asset_selection or ()
    if partitions is None:
        return 0
    first, last = partitions
    origin = f"by run {run.run_id}, which failed"
    return sum(
        _report(instance, asset, catalog, origin, lambda key: first <= key <= last)
        for measurement in lake.measurements
        for asset in _of(measurement)
        if asset.key in assets
    )


@dataclass(frozen=True, slots=True)
class _TableAsset:
    """An asset with a table of the lake: a measurement's, or a roll-up's.

    Attributes:
        key: The asset.
        identifier: The table.
        scheme: Its windows.
        time_column: The table's time column.
        share: The share, where the table may hold several measurements.
    """

    key: dg.AssetKey
    identifier: tuple[str, ...]
    scheme: Scheme
    time_column: str
    share: Share | None = None


def _of(measurement: Measurement) -> Iterator[_TableAsset]:
    table = measurement.identifier, measurement.scheme, measurement.time_column
    yield _TableAsset(asset_key(measurement), *table, measurement.share)
    for rollup in measurement.rollups:
        yield _TableAsset(rollup_key(rollup), rollup.identifier, measurement.scheme, measurement.time_column)


def _report(
    instance: dg.DagsterInstance,
    asset: _TableAsset,
    catalog: Catalog,
    origin: str,
    concerns: Callable[[str], bool] = lambda key: True,
) -> int:
    from influx_lake.iceberg.scan.reader import count_rows, find_table
    from influx_lake.iceberg.table_state.recorded_loads import recorded_loads

    table = find_table(catalog, asset.identifier, asset.share)
    if table is None:
        return 0
    known = instance.get_materialized_partitions(asset.key)
    unknown = {
        key: window
        for window in _loaded_windows(asset.scheme, table)
        if (key := asset.scheme.key(window)) not in known and concerns(key)
    }
    if not unknown:
        return 0
    of_table, loads = standing_facts(table), recorded_loads(table)
    for key, window in unknown.items():
        load = loads.get(window)
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=asset.key,
                partition=key,
                description=f"Found in the table: it was loaded {origin}.",
                metadata={
                    **of_table,
                    **partition_facts(window, count_rows(table, window, asset.time_column)),
                    **(recorded_facts(window, load) if load else {}),
                },
            )
        )
    return len(unknown)


def _loaded_windows(scheme: Scheme, table: Table) -> Iterator[Window]:
    from influx_lake.iceberg.table_state import table_state

    coverage = table_state(table).coverage
    for interval in coverage.intervals:
        yield from filter(coverage.holds, scheme.windows(interval.start, interval.end))
