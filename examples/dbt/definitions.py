"""The lake, and on top of it the dbt models as assets: the partitioned one a day at a time, as the lake is loaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from influx_lake.orchestration.automation.conditions import follows_upstream
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.orchestration.location import current_lake
from influx_lake.orchestration.partitions import partitions_for

project = DbtProject(Path(__file__).parent)
project.prepare_if_dev()
lake = current_lake()
days = partitions_for(lake.find("cpu").scheme)


class FollowsTheLake(DagsterDbtTranslator):
    """The models are made anew when what they read was loaded."""

    def get_automation_condition(self, dbt_resource_props: Any) -> dg.AutomationCondition[Any]:  # noqa: ARG002
        return follows_upstream()


@dbt_assets(
    manifest=project.manifest_path,
    select="config.incremental_strategy:microbatch",
    partitions_def=days,
    # A run takes a range of days: dbt makes a batch of each.
    backfill_policy=dg.BackfillPolicy.single_run(),
    dagster_dbt_translator=FollowsTheLake(),
)
def partitioned_models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Models whose batches are the lake's windows."""
    window = context.partition_time_window
    bounds = ["--event-time-start", f"{window.start:%Y-%m-%d}", "--event-time-end", f"{window.end:%Y-%m-%d}"]
    yield from dbt.cli(["build", *bounds], context=context).stream()


@dbt_assets(
    manifest=project.manifest_path,
    exclude="config.incremental_strategy:microbatch",
    dagster_dbt_translator=FollowsTheLake(),
)
def whole_models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Models that are made as a whole."""
    yield from dbt.cli(["build"], context=context).stream()


defs = dg.Definitions.merge(
    build_definitions(lake),
    dg.Definitions(assets=[partitioned_models, whole_models], resources={"dbt": DbtCliResource(project_dir=project)}),
)
