"""Measurements as Dagster assets."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from influx_lake.config import Lake, Measurement, OperationOptions
from influx_lake.config.quantities import format_duration
from influx_lake.orchestration.freshness_policy import freshness_policy
from influx_lake.orchestration.lake_names import UNNAMED, LakeNames, safe_name
from influx_lake.orchestration.partitions import backfill_policy, partitions_for
from influx_lake.orchestration.replicating import MeasurementWindows, Upstream
from influx_lake.orchestration.slots import Pool
from influx_lake.replication.parallel import windows_at_once

IO_MANAGER_KEY = UNNAMED.io_manager
"""The resource key of the `IcebergIOManager` of a lake without a name; what has it goes to the lake's catalog."""


def asset_key(measurement: Measurement) -> dg.AssetKey:
    """The key of a measurement's asset: its table."""
    return dg.AssetKey(list(measurement.identifier))


def table_pool(measurement: Measurement, names: LakeNames) -> str:
    """The pool of those who write to a measurement's table."""
    return names.scoped("__".join(("table", *measurement.identifier)))


@dataclass(frozen=True, slots=True)
class SourcePools:
    """The pools of those who read from a measurement's sources.

    Attributes:
        own: That of its own source, which its asset is in.
        claimed: Those in which its runs claim a place themselves, by source. An asset is in one pool: a run that reads
            the past from another source has to say so, and so has who shares a pool with such runs.
    """

    own: str
    claimed: Mapping[str, Pool]


def source_pool(lake: Lake, source: str) -> Pool:
    """The pool of those who read from a source; the databases of one entry of `sources` share a server, and a pool."""
    entry = lake.entry_of(source)
    return Pool(LakeNames.of(lake).source(entry), lake.operation.pools.limit_of(entry))


def source_pools(lake: Lake) -> dict[tuple[str, ...], SourcePools]:
    """The pools of the sources of each measurement, by its table."""
    pools = {source: source_pool(lake, source) for source in lake.sources}
    shared = {pools[each.history.source].name for each in lake.measurements if each.history}
    return {
        each.identifier: SourcePools(
            pools[each.source].name,
            {source: pools[source] for source in each.sources if pools[source].name in shared},
        )
        for each in lake.measurements
    }


def database_places(lake: Lake) -> dict[str, list[str]]:
    """What keys of assets call the database of each source: two servers may have one of the same name."""
    sources_of = Counter(config.database for config in lake.sources.values())
    return {
        name: [config.database] if sources_of[config.database] == 1 else [name, config.database]
        for name, config in lake.sources.items()
    }


def source_assets(lake: Lake) -> dict[tuple[str, str], dg.AssetSpec]:
    """External assets for what the lake is loaded from, by source and measurement, so that lineage starts there.

    They have the partitions of the tables: a change that is found in the source is one partition's.
    """
    places, names = database_places(lake), LakeNames.of(lake)
    specs: dict[tuple[str, str], dg.AssetSpec] = {}
    for measurement, source in ((each, source) for each in lake.measurements for source in each.sources):
        name = measurement.name
        specs.setdefault(
            (source, name),
            dg.AssetSpec(
                ["influxdb", *names.placed(*places[source], name)],
                description=f"Measurement `{name}` in {lake.sources[source].label}.",
                group_name="influxdb",
                kinds={"influxdb"},
                partitions_def=partitions_for(measurement.scheme),
            ),
        )
    return specs


def measurement_asset(
    measurement: Measurement,
    upstream: Mapping[tuple[str, str], dg.AssetSpec],
    warehouse: str | None = None,
    automation_condition: dg.AutomationCondition[dg.AssetKey] | None = None,
    operation: OperationOptions | None = None,
    pools: SourcePools | None = None,
    names: LakeNames = UNNAMED,
) -> dg.AssetsDefinition:
    """The asset of a measurement: a partition is a window of its table, replaced as a whole by each materialisation.

    Args:
        measurement: The measurement.
        upstream: The external assets that stand for measurements, by source and name.
        warehouse: The folder that new tables are made in, where that is known without asking the catalog.
        automation_condition: When it is materialised by itself.
        operation: How much happens at once; the defaults where it is not given.
        pools: The pools of its sources; that of its own source alone where they are not given.
        names: What its lake calls its resources and pools.
    """
    operation = operation or OperationOptions()
    at_once, limit = windows_at_once(operation.run, measurement), operation.pools.table
    table = Pool(table_pool(measurement, names), limit) if limit else None
    output = safe_name("__".join(measurement.identifier))
    keys = {source: names.source(source) for source in measurement.sources}
    assets = {source: upstream[source, measurement.name].key for source in measurement.sources}

    @dg.multi_asset(
        name=output,
        outs={
            output: dg.AssetOut(
                key=asset_key(measurement),
                dagster_type=MeasurementWindows,
                description="\n\n".join(filter(None, (measurement.description, _description(measurement)))),
                group_name=measurement.group,
                owners=list(measurement.owners),
                tags={**measurement.tags, **names.tags},
                kinds={"influxdb", "iceberg"},
                metadata=table_metadata(measurement.identifier, warehouse),
                io_manager_key=names.io_manager,
                freshness_policy=freshness_policy(measurement),
                automation_condition=automation_condition,
            )
        },
        # Not `deps`: it makes an input name of the key, which may hold any character.
        ins={
            f"measurement_{number}": dg.AssetIn(key=asset, dagster_type=dg.Nothing)
            for number, asset in enumerate(assets.values())
        },
        partitions_def=partitions_for(measurement.scheme),
        backfill_policy=backfill_policy(measurement.windows_per_run),
        required_resource_keys=set(keys.values()),
        pool=pools.own if pools else keys[measurement.source],
    )
    def load(context: dg.AssetExecutionContext) -> MeasurementWindows:
        upstreams = {source: Upstream(getattr(context.resources, key), assets[source]) for source, key in keys.items()}
        return MeasurementWindows(measurement, upstreams, at_once, table, pools.claimed if pools else {})

    return load


def table_metadata(identifier: tuple[str, ...], warehouse: str | None) -> dict[str, str]:
    """What an asset's definition says of its table."""
    facts = {"dagster/table_name": ".".join(identifier), "dagster/storage_kind": "iceberg"}
    if warehouse:
        facts["dagster/uri"] = "/".join((warehouse, ".".join(identifier[:-1]), identifier[-1]))
    return facts


def _description(measurement: Measurement) -> str:
    return (
        f"Measurement **{measurement.name}** of the InfluxDB database `{measurement.database}`, "
        f"in the Iceberg table `{measurement.table_name}`.\n\n"
        f"- One partition is one **{measurement.scheme.every}**, in {measurement.scheme.timezone}.\n"
        f"- Materialising a partition replaces exactly its rows, in one commit; doing it again changes nothing.\n"
        f"- Source `{measurement.source}`; a window is due {format_duration(measurement.lag)} after it closes.\n"
    )
