"""Limits for the load on InfluxDB servers and tables, as Dagster's pools."""

from __future__ import annotations

import dagster as dg

from influx_lake.config import Lake
from influx_lake.orchestration.assets import source_pool, table_pool
from influx_lake.orchestration.lake_names import LakeNames


def pool_limits(lake: Lake) -> dict[str, int]:
    """The limits that a lake states, by pool."""
    sources = {pool.name: pool.limit for pool in (source_pool(lake, name) for name in lake.sources)}
    names, limit = LakeNames.of(lake), lake.operation.pools.table
    tables = {table_pool(measurement, names): limit for measurement in lake.measurements}
    return {pool: limit for pool, limit in {**sources, **tables}.items() if limit is not None}


def set_pools(instance: dg.DagsterInstance, lake: Lake) -> dict[str, int]:
    """Give an instance the limits that a lake states; gives those that were changed."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return {}
    known = {pool.name: pool.limit for pool in storage.get_pool_limits() if not pool.from_default}
    changed = {pool: limit for pool, limit in pool_limits(lake).items() if known.get(pool) != limit}
    for pool, limit in changed.items():
        storage.set_concurrency_slots(pool, limit)
    return changed
