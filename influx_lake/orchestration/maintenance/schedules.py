"""A job for each kind of maintenance, and its schedule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from influx_lake.config import Automation, Lake
from influx_lake.config.maintenance.options import Kind
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.recent_runs import UNFINISHED

LONGEST_RUN = timedelta(hours=12)
"""The longest run: without a limit, one whose machine died would block all others. What it has done stays done."""
_LAST = {"dagster/priority": "-1", "dagster/max_runtime": str(int(LONGEST_RUN.total_seconds()))}


def maintenance_jobs(
    lake: Lake, assets: Mapping[Kind, dg.AssetsDefinition]
) -> tuple[list[dg.UnresolvedAssetJobDefinition], list[dg.ScheduleDefinition]]:
    """The jobs of a lake's kinds of maintenance, and their schedules where they have one.

    Args:
        lake: The lake.
        assets: Its `maintenance_assets`.
    """
    jobs, schedules, names = [], [], LakeNames.of(lake)
    for kind, asset in assets.items():
        job = dg.define_asset_job(
            names.scoped(f"maintain_{kind}"),
            selection=dg.AssetSelection.assets(asset),
            executor_def=dg.in_process_executor,
            tags={**_LAST, **names.tags},
            description=f"Maintenance of tables: {kind}.",
        )
        jobs.append(job)
        if (cron := lake.operation.maintenance.schedules.of(kind)) is not None:
            schedules.append(_schedule(lake, job, kind, cron))
    return jobs, schedules


def _schedule(lake: Lake, job: dg.UnresolvedAssetJobDefinition, kind: Kind, cron: str) -> dg.ScheduleDefinition:
    running = lake.operation.automation is not Automation.OFF

    @dg.schedule(
        job=job,
        name=f"{job.name}_schedule",
        cron_schedule=cron,
        execution_timezone=lake.operation.maintenance.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
        description=f"Does {kind} to the tables that need it, unless the last run of it is still under way.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if context.instance.get_runs_count(dg.RunsFilter(job_name=job.name, statuses=UNFINISHED)):
            return dg.SkipReason("the last run of it waits or runs still")
        return dg.RunRequest()

    return tick
