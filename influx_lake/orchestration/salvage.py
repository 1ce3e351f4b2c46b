"""What a run committed is shown, also when the run died before it could tell Dagster."""

from __future__ import annotations

import dagster as dg

from influx_lake.config import Lake
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.reporting import report_windows_of_run
from influx_lake.orchestration.resources import IcebergCatalogResource


def salvage_sensor(lake: Lake) -> dg.SensorDefinition:
    """Looks into the tables of each run that failed: a killed run keeps the windows that it finished."""

    @dg.run_failure_sensor(
        name="windows_of_failed_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description="Marks the partitions as materialised that a run had loaded when it died.",
    )
    def look(context: dg.RunFailureSensorContext, iceberg_catalog: IcebergCatalogResource) -> None:
        with failing_clearly():
            found = report_windows_of_run(context.instance, lake, iceberg_catalog.open(), context.dagster_run)
            if found:
                context.log.info(f"run {context.dagster_run.run_id} had loaded {found} windows when it failed")

    return look
