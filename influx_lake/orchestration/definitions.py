"""A lake as Dagster definitions."""

from __future__ import annotations

import dagster as dg

from influx_lake.config import Lake
from influx_lake.orchestration.assets import IO_MANAGER_KEY, measurement_asset, resource_key, source_assets
from influx_lake.orchestration.checks import measurement_checks
from influx_lake.orchestration.io_manager import IcebergIOManager
from influx_lake.orchestration.resources import CATALOG_KEY, IcebergCatalogResource, source_resource
from influx_lake.orchestration.rollup_assets import rollup_asset


def build_definitions(lake: Lake) -> dg.Definitions:
    """The assets and resources of a lake. Contacts nothing and reads no secret."""
    upstream = source_assets(lake)
    catalog = IcebergCatalogResource.of(lake.catalog)
    # Other catalogs decide themselves where a table goes.
    warehouse = catalog.properties.get("warehouse") if catalog.properties.get("type") == "sql" else None
    sources = {resource_key(name): source_resource(config, lake.root) for name, config in lake.sources.items()}
    return dg.Definitions(
        assets=[
            *upstream.values(),
            *(measurement_asset(each, upstream[each.source, each.name], warehouse) for each in lake.measurements),
            *(rollup_asset(each, rollup, warehouse) for each in lake.measurements for rollup in each.rollups),
        ],
        asset_checks=[check for each in lake.measurements for check in measurement_checks(each)],
        resources={CATALOG_KEY: catalog, IO_MANAGER_KEY: IcebergIOManager(catalog=catalog), **sources},
        # A process per step would load all definitions again for every window.
        executor=dg.in_process_executor,
    )
