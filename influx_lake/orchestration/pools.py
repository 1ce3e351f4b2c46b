"""Limits for the load on InfluxDB servers and tables, by Dagster's pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.pool_slots import Pool


def table_pool(measurement: Measurement, names: LakeNames) -> str:
    """The pool for writes to a measurement's table."""
    return names.scoped("__".join(("table", *measurement.identifier)))


@dataclass(frozen=True, slots=True)
class SourcePools:
    """The pools for reads from a measurement's sources.

    Attributes:
        own: The pool of its own source, which is its asset's pool.
        claimed: The pools in which its runs claim slots themselves, by source. An asset has one pool, so a run that
            reads the past from another source claims a slot itself, and so do all that share a pool with such runs.
    """

    own: str
    claimed: Mapping[str, Pool]


def source_pool(lake: Lake, source: str) -> Pool:
    """The pool for reads from a source; the databases of one entry of `sources` share a server, and a pool."""
    entry = lake.entry_of(source)
    return Pool(LakeNames.of(lake).source(entry), lake.operation.pools.limit_of(entry))


def source_pools(lake: Lake) -> dict[tuple[str, ...], SourcePools]:
    """The pools of the sources of each measurement, by its path."""
    pools = {source: source_pool(lake, source) for source in lake.sources}
    shared = {pools[each.history.source].name for each in lake.measurements if each.history}
    return {
        each.path: SourcePools(
            pools[each.source].name,
            {source: pools[source] for source in each.sources if pools[source].name in shared},
        )
        for each in lake.measurements
    }


def pool_limits(lake: Lake) -> dict[str, int]:
    """The limits that lake.yaml sets, by pool."""
    sources = {pool.name: pool.limit for pool in (source_pool(lake, name) for name in lake.sources)}
    names, limit = LakeNames.of(lake), lake.operation.pools.table
    tables = {table_pool(measurement, names): limit for measurement in lake.measurements}
    return {pool: limit for pool, limit in {**sources, **tables}.items() if limit is not None}


def set_pools(instance: dg.DagsterInstance, lake: Lake) -> dict[str, int]:
    """Set the limits of lake.yaml in an instance; returns the changed ones."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return {}
    known = {pool.name: pool.limit for pool in storage.get_pool_limits() if not pool.from_default}
    changed = {pool: limit for pool, limit in pool_limits(lake).items() if known.get(pool) != limit}
    for pool, limit in changed.items():
        storage.set_concurrency_slots(pool, limit)
    return changed
