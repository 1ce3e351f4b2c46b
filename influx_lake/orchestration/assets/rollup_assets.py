"""Roll-ups as Dagster assets, downstream of their measurements."""

from __future__ import annotations

import dagster as dg

from influx_lake.config import Measurement
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.observing import Observation
from influx_lake.orchestration.assets.translation import Translation, translated
from influx_lake.orchestration.execution.rollup_rows import RollupRows
from influx_lake.orchestration.keys import asset_key, rollup_key, table_metadata
from influx_lake.orchestration.lake_names import UNNAMED, LakeNames, safe_name
from influx_lake.orchestration.partitions import backfill_policy, partitions_for


def rollup_asset(
    measurement: Measurement,
    rollup: Rollup,
    warehouse: str | None = None,
    automation_condition: dg.AutomationCondition[dg.AssetKey] | None = None,
    names: LakeNames = UNNAMED,
    translation: Translation | None = None,
    observation: Observation | None = None,
) -> dg.AssetsDefinition:
    """The asset of a roll-up: each partition is computed from the same partition of its measurement.

    Args:
        measurement: The measurement.
        rollup: One of its roll-ups.
        warehouse: The folder of new tables, where it is known without asking the catalog.
        automation_condition: Its automation condition.
        names: The names of its lake's resources.
        translation: The project's changes to assets.
        observation: The observers of its loads.
    """
    output = safe_name("__".join(rollup.identifier))

    spec = dg.AssetSpec(
        rollup_key(rollup),
        description="\n\n".join(filter(None, (rollup.description, _description(measurement, rollup)))),
        group_name=measurement.group,
        owners=list(rollup.owners),
        tags={**rollup.tags, **names.tags},
        kinds={"duckdb", "iceberg"},
        metadata=table_metadata(rollup.identifier, warehouse, measurement.time_column),
        automation_condition=automation_condition,
    )
    spec = translated(spec, measurement, translation)

    @dg.multi_asset(
        name=output,
        outs={output: dg.AssetOut.from_spec(spec, RollupRows, io_manager_key=names.io_manager)},
        ins={
            "measurement": dg.AssetIn(
                key=asset_key(measurement),
                dagster_type=dg.Nothing,
                partition_mapping=dg.IdentityPartitionMapping(),
            )
        },
        partitions_def=partitions_for(measurement.scheme),
        backfill_policy=backfill_policy(measurement.windows_per_run),
    )
    def compute() -> RollupRows:
        return RollupRows(measurement, rollup, observation)

    return compute


def _description(measurement: Measurement, rollup: Rollup) -> str:
    by = "every combination of tags" if rollup.by is None else ", ".join(rollup.by) or "nothing else"
    return (
        f"Roll-up **{rollup.name}** of `{measurement.table_name}`, in the Iceberg table `{rollup.table_name}`: a row "
        f"for each **{rollup.bucket}** and {by}.\n\n"
        f"- Materialising a partition computes it again from the same partition of `{measurement.table_name}`, and "
        f"replaces exactly its rows, in one commit.\n"
        f"- New fields of the measurement become new columns.\n"
    )
