"""A job and a schedule for each scheme: they load closed windows, and missed ones."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.config.measurements.resolution import default_start
from influx_lake.config.values.windows import Scheme, utc_text
from influx_lake.orchestration.automation.run_planning import MEASUREMENTS_PER_RUN, run_requests
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.recent_runs import RecentRuns
from influx_lake.orchestration.resources import catalog_of
from influx_lake.orchestration.tags import Reason
from influx_lake.replication.planning.due import DueWindow, newest_closed
from influx_lake.replication.planning.planner import Planner

RUNS_PER_TICK = 40
"""The most runs that a tick starts for windows that just closed; the next tick starts the others."""
MISSED_AT_ONCE = 10
"""The most unfinished runs of a schedule for missed windows, so that a year of them does not fill the queue."""
_EACH_MINUTE = "* * * * *"
"""Each minute, so that a window waits no longer than its lag or, after a failure, its pause."""
_FRESH_FIRST = {"dagster/priority": "1"}


def jobs_and_schedules(lake: Lake) -> tuple[list[dg.UnresolvedAssetJobDefinition], list[dg.ScheduleDefinition]]:
    """One job and one schedule for each scheme of the lake."""
    of_scheme: dict[Scheme, list[Measurement]] = defaultdict(list)
    for measurement in lake.present:
        of_scheme[measurement.scheme].append(measurement)
    names = LakeNames.of(lake)
    jobs, schedules = [], []
    for scheme, measurements in of_scheme.items():
        job = _job(scheme, measurements, names)
        jobs.append(job)
        schedules.append(scheme_schedule(job, scheme, measurements, names))
    return jobs, schedules


def scheme_name(scheme: Scheme) -> str:
    """The name of a scheme: `day`, with its time zone and start where these are not the defaults, independent of other
    schemes.
    """
    zone = "" if scheme.timezone == "UTC" else f"_{scheme.timezone}"
    usual = scheme.start == default_start(scheme.every, scheme.timezone)
    begins = "" if usual else f"_from_{scheme.key(scheme.window_at(scheme.start))}"
    return re.sub(r"\W", "_", f"{scheme.every}{zone}{begins}")


def scheme_schedule(
    job: dg.UnresolvedAssetJobDefinition, scheme: Scheme, measurements: Sequence[Measurement], names: LakeNames
) -> dg.ScheduleDefinition:
    """The schedule that loads the due windows of measurements with the same scheme.

    A tick starts runs for windows that the tables do not hold, so that skipped ticks do not matter.
    """
    planner = Planner()

    @dg.schedule(
        job=job,
        name=f"{job.name}_schedule",
        cron_schedule=_EACH_MINUTE,
        execution_timezone=scheme.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        required_resource_keys={names.catalog},
        description=f"Loads each {scheme.every} of {len(measurements)} measurements when it has closed and its lag has "
        "passed, and what was missed before. What failed is tried again after a pause that grows.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        with failing_clearly():
            now = context.scheduled_execution_time
            recent = RecentRuns.of(context.instance, now, context.repository_def)
            catalog = catalog_of(context, names)
            due = planner.due(
                catalog,
                measurements,
                now,
                skip=lambda each: recent.is_busy(each) or recent.is_pausing(each),
                room=room_for_missed(recent, measurements) * MEASUREMENTS_PER_RUN,
            )
            requests = requests_of(due, recent, measurements)
            return requests or dg.SkipReason(_nothing_to_do(recent, due, measurements, planner.left))

    return tick


def requests_of(
    due: Iterable[DueWindow], recent: RecentRuns, measurements: Sequence[Measurement]
) -> list[dg.RunRequest]:
    """The runs of a tick for due windows: first those that just closed, then missed ones, within the tick's limits. The
    missed windows of other schedules' measurements do not count.
    """
    fresh: list[DueWindow] = []
    missed: list[DueWindow] = []
    # They have a scheme in common.
    newest = {each.lag: newest_closed(each, recent.now) for each in measurements}
    for each in due:
        (fresh if each.window == newest[each.measurement.lag] else missed).append(each)
    room = room_for_missed(recent, measurements)
    return [
        *run_requests(fresh, Reason.SCHEDULED, recent, limit=RUNS_PER_TICK, tags=_FRESH_FIRST),
        *(run_requests(missed, Reason.MISSED, recent, limit=room) if room else []),
    ]


def room_for_missed(recent: RecentRuns, measurements: Iterable[Measurement]) -> int:
    """How many more runs a tick may start for missed windows of a schedule's measurements."""
    return max(0, MISSED_AT_ONCE - recent.started_for(Reason.MISSED, measurements))


def _job(scheme: Scheme, measurements: Sequence[Measurement], names: LakeNames) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        names.scoped(f"load_{scheme_name(scheme)}"),
        selection=dg.AssetSelection.assets(*(asset_key(measurement) for measurement in measurements)),
        executor_def=dg.in_process_executor,
        tags=names.tags,
        description=f"Loads windows of {len(measurements)} measurements, each partition one {scheme.every}.",
    )


def _nothing_to_do(recent: RecentRuns, due: Sequence[DueWindow], measurements: Sequence[Measurement], left: int) -> str:
    if due:
        count = len({each.measurement.path for each in due})
        return f"windows of {count} measurements wait for the runs that load what was missed: {MISSED_AT_ONCE} at once"
    if left:
        return f"nothing is due of {len(measurements) - left} measurements; the next ticks look at the other {left}"
    newest = [window for each in measurements if (window := newest_closed(each, recent.now))]
    until = f" until {utc_text(max(newest).end)}" if newest else ""
    return f"nothing is due: every window that closed{until} is in its table, being loaded, or waits after a failure"
