"""The runs that write parts of large windows: a job for each source, and a sensor that starts them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import dagster as dg
from pydantic import Field

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import Window
from influx_lake.observing import Observation
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.pools import source_pool
from influx_lake.orchestration.recent_runs import UNFINISHED, is_elsewhere
from influx_lake.orchestration.resources import catalog_of, source_of
from influx_lake.orchestration.splitting.part_requests import PART, PART_OF, SPLIT, Wanted, wanted_of
from influx_lake.orchestration.tags import MEASUREMENT
from influx_lake.replication.splitting.part_bounds import parts_of

INTERVAL_SECONDS = 10
MOST_UNFINISHED = 32
"""The most unfinished runs of a window; the others start as these end."""
_ALONE = {"dagster/max_retries": "0", "dagster/priority": "5"}
"""No retries: the requesting run writes the parts of failed runs itself. High priority: that run is waiting."""


class PartConfig(dg.Config):
    """The configuration of a run."""

    measurement: str = Field(description="The measurement's full name.")
    window: str = Field(description="The window, `start/end`.")
    part: str = Field(description="The part, `start/end`.")
    asked_by: str = Field(description="The run that commits the window.")
    with_nanoseconds: bool = Field(description="Whether the rows get the column of nanoseconds.")


def part_job_name(source: str, names: LakeNames) -> str:
    """The job that writes parts of windows of a source."""
    return names.scoped(f"write_parts_{source}")


def part_jobs(lake: Lake) -> list[dg.JobDefinition]:
    """A job for each source with windows that are split."""
    found: dict[str, list[Measurement]] = defaultdict(list)
    for measurement in lake.measurements:
        for source in measurement.sources if measurement.split is not None else ():
            found[source].append(measurement)
    return [_job(lake, source, measurements) for source, measurements in found.items()]


def parts_sensor(lake: Lake, jobs: Sequence[dg.JobDefinition]) -> dg.SensorDefinition:
    """The sensor that starts runs for the parts that running runs request.

    A tick asks neither a source nor the catalog, and queries Dagster's storage only for runs of split windows.

    Args:
        lake: The lake.
        jobs: Its `part_jobs`.
    """
    names = LakeNames.of(lake)
    measurements = {each.full_name: each for each in lake.measurements if each.split is not None}

    @dg.sensor(
        name=names.scoped("parts"),
        jobs=list(jobs),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts runs that write parts of windows which are too large for one run.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        asking = context.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={SPLIT: "true"}))
        origin = context.code_location_origin
        return dg.SensorResult(
            run_requests=[
                request
                for run in asking
                if not is_elsewhere(run, origin.location_name if origin else None)
                for wanted in wanted_of(run)
                if (measurement := measurements.get(wanted.measurement)) is not None
                for request in _requests(context.instance, run, wanted, measurement, names)
            ]
        )

    return tick


def _requests(
    instance: dg.DagsterInstance, run: dg.DagsterRun, wanted: Wanted, measurement: Measurement, names: LakeNames
) -> Iterator[dg.RunRequest]:
    left = [part for time in wanted.left for part in parts_of(measurement, time)]
    if not left:
        return
    known = instance.get_runs(dg.RunsFilter(tags={PART_OF: wanted.id}))
    begun = {known.tags.get(PART) for known in known}
    room = MOST_UNFINISHED - sum(each.status in UNFINISHED for each in known)
    job = part_job_name(measurement.source_of(wanted.window), names)
    for part in [part for part in left if str(part) not in begun][: max(0, room)]:
        config = PartConfig(
            measurement=wanted.measurement,
            window=str(wanted.window),
            part=str(part),
            asked_by=run.run_id,
            with_nanoseconds=wanted.with_nanoseconds,
        )
        yield dg.RunRequest(
            run_key=f"part:{wanted.id}:{part}",
            job_name=job,
            run_config={"ops": {f"{job}_rows": {"config": config.model_dump()}}},
            tags={**_ALONE, MEASUREMENT: measurement.name, PART: str(part), PART_OF: wanted.id},
        )


def _job(lake: Lake, source: str, measurements: Sequence[Measurement]) -> dg.JobDefinition:
    names, observation = LakeNames.of(lake), Observation.of(lake)
    name, known = part_job_name(source, names), {each.full_name: each for each in measurements}
    used = {used for each in measurements for used in (*each.sources, *([each.archive] if each.archive else []))}

    @dg.op(
        name=f"{name}_rows",
        required_resource_keys={names.catalog, *map(names.source, used)},
        pool=source_pool(lake, source).name,
    )
    def write(context: dg.OpExecutionContext, config: PartConfig) -> None:
        asking = context.instance.get_run_by_id(config.asked_by)
        if asking is None or asking.is_finished:
            context.log.info(f"{config.part} is no longer needed: the run {config.asked_by} has ended")
            return
        with failing_clearly(), warnings_in(context.log, context.instance), observation.of_loads(name):
            _write(context, config, known[config.measurement], names)

    @dg.job(
        name=name,
        executor_def=dg.in_process_executor,
        tags=names.tags,
        description=f"Writes parts of windows of {len(measurements)} measurements that are too large for one run; the "
        "run of the partition commits them.",
    )
    def job() -> None:
        write()

    return job


def _write(context: dg.OpExecutionContext, config: PartConfig, measurement: Measurement, names: LakeNames) -> None:
    from influx_lake.iceberg.window_load import Progress
    from influx_lake.replication.window import MeasurementWindow

    def progress(now: Progress) -> None:
        context.log.info(f"{measurement.name}: {now.rows:,} rows so far, {now.rows_per_second:,.0f} rows/s")

    window, archive = Window.parse(config.window), measurement.archive
    with ExitStack() as opened:
        wanted = dict.fromkeys((*measurement.sources, *([archive] if archive else [])))
        sources = {name: opened.enter_context(source_of(context, names, name).open()) for name in wanted}
        MeasurementWindow(
            sources[measurement.source_of(window)],
            catalog_of(context, names),
            measurement,
            window,
            config.asked_by,
            [sources[name].identity for name in measurement.sources],
            archive=sources.get(archive or ""),
            on_progress=progress,
        ).write_part(Window.parse(config.part), with_nanoseconds=config.with_nanoseconds)
