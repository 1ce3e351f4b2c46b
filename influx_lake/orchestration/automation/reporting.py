"""Tells Dagster of windows that were loaded without it: by the command line, or before its storage was set up anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.tags import partitions_of
from influx_lake.orchestration.window_metadata import partition_facts, standing_facts

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def report_loaded_windows(instance: dg.DagsterInstance, lake: Lake, catalog: Catalog) -> int:
    """Record a materialisation of each partition that its table holds and Dagster does not know of.

    Args:
        instance: Dagster's instance.
        lake: The lake.
        catalog: Its catalog; only metadata are read.

    Returns:
        How many were recorded.

    Raises:
        CatalogError: The catalog cannot tell what it holds.
    """
    return sum(_report(instance, measurement, catalog, "without Dagster") for measurement in lake.measurements)


def report_windows_of_run(instance: dg.DagsterInstance, lake: Lake, catalog: Catalog, run: dg.DagsterRun) -> int:
    """Record a materialisation of each partition that a run committed before it died, and could not tell of.

    Args:
        instance: Dagster's instance.
        lake: The lake.
        catalog: Its catalog; only metadata are read.
        run: The run.

    Returns:
        How many were recorded.

    Raises:
        CatalogError: The catalog cannot tell what it holds.
    """
    partitions, assets = partitions_of(run), run.asset_selection or ()
    if partitions is None:
        return 0
    first, last = partitions
    origin = f"by run {run.run_id}, which failed"
    return sum(
        _report(instance, measurement, catalog, origin, lambda key: first <= key <= last)
        for measurement in lake.measurements
        if asset_key(measurement) in assets
    )


def _report(
    instance: dg.DagsterInstance,
    measurement: Measurement,
    catalog: Catalog,
    origin: str,
    concerns: Callable[[str], bool] = lambda key: True,
) -> int:
    from influx_lake.iceberg.scan.reader import find_table

    table = find_table(catalog, measurement.identifier)
    if table is None:
        return 0
    known = instance.get_materialized_partitions(asset_key(measurement))
    unknown = [
        window
        for window in _loaded_windows(measurement, table)
        if (key := measurement.scheme.key(window)) not in known and concerns(key)
    ]
    for window in unknown:
        instance.report_runless_asset_event(_materialization(measurement, table, window, origin))
    return len(unknown)


def _loaded_windows(measurement: Measurement, table: Table) -> Iterator[Window]:
    from influx_lake.iceberg.table_state import table_state

    coverage = table_state(table).coverage
    for interval in coverage.intervals:
        windows = measurement.scheme.windows(interval.start, interval.end)
        yield from (window for window in windows if coverage.holds(window))


def _materialization(measurement: Measurement, table: Table, window: Window, origin: str) -> dg.AssetMaterialization:
    from influx_lake.iceberg.scan.reader import count_rows

    return dg.AssetMaterialization(
        asset_key=asset_key(measurement),
        partition=measurement.scheme.key(window),
        description=f"Found in the table: it was loaded {origin}.",
        metadata={**standing_facts(table), **partition_facts(window, count_rows(table, window))},
    )
