"""Measurements as Dagster assets."""

from collections.abc import Mapping

import dagster as dg

from influx_lake.config import Measurement, OperationOptions
from influx_lake.config.values.units import format_duration
from influx_lake.observing import Observation
from influx_lake.orchestration.assets.freshness_policy import freshness_policy
from influx_lake.orchestration.assets.translation import Translation, translated
from influx_lake.orchestration.execution.measurement_rows import MeasurementRows, Upstream
from influx_lake.orchestration.keys import asset_key, table_metadata
from influx_lake.orchestration.lake_names import UNNAMED, LakeNames, safe_name
from influx_lake.orchestration.partitions import backfill_policy, partitions_for
from influx_lake.orchestration.pool_slots import Pool
from influx_lake.orchestration.pools import SourcePools, table_pool
from influx_lake.orchestration.resources import source_of
from influx_lake.replication.parallel import windows_at_once


def measurement_asset(
    measurement: Measurement,
    upstream: Mapping[tuple[str, str], dg.AssetSpec],
    warehouse: str | None = None,
    automation_condition: dg.AutomationCondition[dg.AssetKey] | None = None,
    operation: OperationOptions | None = None,
    pools: SourcePools | None = None,
    names: LakeNames = UNNAMED,
    translation: Translation | None = None,
    observation: Observation | None = None,
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
        translation: What the project makes of it.
        observation: Who is told of its loads.
    """
    operation = operation or OperationOptions()
    at_once, limit = windows_at_once(operation.run, measurement), operation.pools.table
    table = Pool(table_pool(measurement, names), limit) if limit else None
    output = safe_name("__".join(measurement.path))
    keys = {source: names.source(source) for source in measurement.sources}
    assets = {source: upstream[source, measurement.name].key for source in measurement.sources}

    spec = dg.AssetSpec(
        asset_key(measurement),
        description="\n\n".join(filter(None, (measurement.description, _description(measurement)))),
        group_name=measurement.group,
        owners=list(measurement.owners),
        tags={**measurement.tags, **names.tags},
        kinds={"influxdb", "iceberg"},
        metadata=table_metadata(measurement.identifier, warehouse, measurement.time_column, measurement.share),
        freshness_policy=freshness_policy(measurement),
        automation_condition=automation_condition,
    )
    spec = translated(spec, measurement, translation)

    @dg.multi_asset(
        name=output,
        outs={output: dg.AssetOut.from_spec(spec, MeasurementRows, io_manager_key=names.io_manager)},
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
    def load(context: dg.AssetExecutionContext) -> MeasurementRows:
        upstreams = {source: Upstream(source_of(context, names, source), asset) for source, asset in assets.items()}
        return MeasurementRows(measurement, upstreams, at_once, table, pools.claimed if pools else {}, observation)

    return load


def _description(measurement: Measurement) -> str:
    return (
        f"Measurement **{measurement.name}** of the InfluxDB database `{measurement.database}`, "
        f"in the Iceberg table `{measurement.table_name}`.\n\n"
        f"- One partition is one **{measurement.scheme.every}**, in {measurement.scheme.timezone}.\n"
        f"- Materialising a partition replaces exactly its rows, in one commit; doing it again changes nothing.\n"
        f"- Source `{measurement.source}`; a window is due {format_duration(measurement.lag)} after it closes.\n"
    )
