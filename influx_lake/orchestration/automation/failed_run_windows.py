"""Reports the windows that a run committed before it died."""

from __future__ import annotations

import dagster as dg

from influx_lake.config import Lake
from influx_lake.orchestration.automation.external_loads import report_windows_of_run
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.resources import catalog_of


def salvage_sensor(lake: Lake) -> dg.SensorDefinition:
    """The sensor that reads the tables of each failed run: a killed run keeps the windows that it committed."""
    names = LakeNames.of(lake)

    def look(context: dg.RunStatusSensorContext) -> None:
        with failing_clearly():
            catalog = catalog_of(context, names)
            found = report_windows_of_run(context.instance, lake, catalog, context.dagster_run)
            if found:
                context.log.info(f"run {context.dagster_run.run_id} had loaded {found} windows when it failed")

    # Not the decorator: its function's argument would have to be named like the catalog's key, which differs by lake.
    return dg.RunStatusSensorDefinition(
        name=names.scoped("windows_of_failed_runs"),
        run_status=dg.DagsterRunStatus.FAILURE,
        run_status_sensor_fn=look,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={names.catalog},
        description="Records materialisations of partitions that a run had loaded when it died.",
    )
