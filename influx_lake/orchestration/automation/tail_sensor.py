"""Tails of open windows: a job for each source, and a sensor that starts its runs.

A tail is not a materialisation: a partition is materialised when its whole window is loaded. A tail is an observation
of the table's asset, so that the asset's page shows how fresh the table is, and nothing downstream runs every minute
for an incomplete window.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from influx_lake.config import Automation, Lake, Measurement
from influx_lake.config.values.units import format_duration
from influx_lake.errors import LakeError
from influx_lake.observing import Observation
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.failures import as_failure, failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.recent_runs import UNFINISHED, is_elsewhere
from influx_lake.orchestration.resources import catalog_of, source_of
from influx_lake.orchestration.tags import REASON, Reason, subject_tags
from influx_lake.orchestration.window_metadata import commit_facts, table_facts
from influx_lake.replication.planning.due import open_windows

if TYPE_CHECKING:
    from influx_lake.replication.tail import TailResult

TAILS_PER_RUN = 50
"""The most tails of a run: a run takes seconds to start and a tail milliseconds, but tails run one after the other."""
CHUNK = "influx_lake/tails"
"""The tag of a run with the name of its chunk, so that no measurement is tailed twice at once."""
LONGEST_PAUSE = timedelta(minutes=15)
"""The longest pause after failures; each failure doubles it."""
LONGEST_RUN = timedelta(minutes=30)
"""The longest run: without a limit, one whose machine died would block its measurements for ever."""
_FIRST = {"dagster/priority": "10", "dagster/max_runtime": str(int(LONGEST_RUN.total_seconds()))}
_REMEMBERED = timedelta(hours=2)
_ENDED = 200


class TailConfig(dg.Config):
    """The configuration of a run."""

    measurements: list[str] = Field(
        default=[], description="By their names in lake.yaml. Default: all of the source that have a tail."
    )


@dataclass(frozen=True, slots=True)
class Chunk:
    """The measurements that one run tails.

    Attributes:
        name: A unique name.
        source: The source of its measurements.
        every: The interval of the tails.
    """

    name: str
    source: str
    every: timedelta
    measurements: tuple[Measurement, ...]


def tail_job_name(source: str, names: LakeNames) -> str:
    """The job that tails measurements of a source."""
    return names.scoped(f"tail_{source}")


def tail_jobs(lake: Lake) -> list[dg.JobDefinition]:
    """A job for each source that has measurements with a tail."""
    of_source: dict[str, list[Measurement]] = defaultdict(list)
    for measurement in lake.measurements:
        if measurement.tail is not None:
            of_source[measurement.source].append(measurement)
    names, observation = LakeNames.of(lake), Observation.of(lake)
    return [_job(source, measurements, names, observation) for source, measurements in of_source.items()]


def tail_sensor(
    lake: Lake, jobs: Sequence[dg.JobDefinition], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> dg.SensorDefinition:
    """The sensor that starts the tails of a lake.

    A tick asks neither a source nor the catalog: it starts a run for each due chunk of measurements whose last run is
    done.

    Args:
        lake: The lake.
        jobs: Its `tail_jobs`.
        clock: The present.
    """
    chunks, names = chunks_of(lake.measurements), LakeNames.of(lake)
    running = lake.operation.automation is not Automation.OFF

    @dg.sensor(
        name=names.scoped("tails"),
        jobs=list(jobs),
        minimum_interval_seconds=max(1, int(min(chunk.every for chunk in chunks).total_seconds())),
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Adds the new points of the open windows to their tables.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        last: dict[str, float] = json.loads(context.cursor or "{}")
        busy = _busy(context)
        failures = _failures(context, now)
        due = [
            chunk
            for chunk in chunks
            if chunk.name not in busy and now.timestamp() >= last.get(chunk.name, 0.0) + _pause(chunk, failures)
        ]
        asked = {chunk.name: now.timestamp() for chunk in due}
        known = {chunk.name for chunk in chunks}
        kept = {name: moment for name, moment in {**last, **asked}.items() if name in known}
        return dg.SensorResult(
            run_requests=[request for chunk in due for request in _requests(chunk, now, names)], cursor=json.dumps(kept)
        )

    return tick


def chunks_of(measurements: Iterable[Measurement], size: int = TAILS_PER_RUN) -> list[Chunk]:
    """Group the measurements with a tail into chunks."""
    alike: dict[tuple[str, timedelta], list[Measurement]] = defaultdict(list)
    for measurement in measurements:
        if measurement.tail is not None:
            alike[measurement.source, measurement.tail.every].append(measurement)
    return [
        Chunk(f"{source}/{format_duration(every)}/{begin // size}", source, every, tuple(found[begin : begin + size]))
        for (source, every), found in alike.items()
        for begin in range(0, len(found), size)
    ]


def _job(
    source: str, measurements: Sequence[Measurement], names: LakeNames, observation: Observation
) -> dg.JobDefinition:
    key, name = names.source(source), tail_job_name(source, names)

    # Not in the source's pool: a backfill that fills the pool would delay the newest points for hours.
    @dg.op(name=f"{name}_windows", required_resource_keys={names.catalog, key}, out={})
    def tail(context: dg.OpExecutionContext, config: TailConfig) -> Iterator[dg.AssetObservation]:
        chosen = [each for each in measurements if each.key in config.measurements or not config.measurements]
        with failing_clearly(), warnings_in(context.log, context.instance), observation.of_loads(name):
            yield from _tails(context, chosen, source, names)

    @dg.job(
        name=name,
        executor_def=dg.in_process_executor,
        tags=names.tags,
        description=f"Adds the new points of the open windows of {len(measurements)} measurements to their tables. "
        "Their partitions are materialised when the windows have closed.",
    )
    def job() -> None:
        tail()

    return job


def _tails(
    context: dg.OpExecutionContext, measurements: Sequence[Measurement], source_name: str, names: LakeNames
) -> Iterator[dg.AssetObservation]:
    """Tail all measurements, and fail afterwards if one failed.

    Raises:
        Failure: A tail failed.
    """
    from influx_lake.replication.tail import tail_measurement

    catalog = catalog_of(context, names)
    failed: list[LakeError] = []
    with source_of(context, names, source_name).open() as source:
        for measurement in measurements:
            try:
                result = tail_measurement(source, catalog, measurement, run_id=context.run_id)
            except LakeError as error:
                failed.append(error)
                context.log.warning(str(as_failure(error).description))
                continue
            context.log.info(f"{measurement.name}: {result.rows:,} new rows in {result.seconds:.2f} s")
            if result.commits:
                yield dg.AssetObservation(asset_key(measurement), metadata=_facts(result))
    if failed:
        raise as_failure(next((error for error in failed if not error.transient), failed[0]))


def _facts(result: "TailResult") -> Mapping[str, dg.MetadataValue]:
    newest, scheme = result.commits[-1], result.measurement.scheme
    facts = {
        **table_facts(newest),
        "open_window": dg.MetadataValue.text(scheme.key(scheme.window_at(newest.window.start))),
        "tailed_until": dg.MetadataValue.timestamp(result.until),
        "new_rows": dg.MetadataValue.int(result.rows),
        "seconds": dg.MetadataValue.float(round(result.seconds, 3)),
        "read_seconds": dg.MetadataValue.float(round(result.read_seconds, 3)),
    }
    if result.last_time is not None:
        behind = (datetime.now(UTC) - result.last_time).total_seconds()
        facts["lag_seconds"] = dg.MetadataValue.float(round(behind, 1))
    return {**facts, **commit_facts(newest)}


def _requests(chunk: Chunk, now: datetime, names: LakeNames) -> Iterator[dg.RunRequest]:
    windows = {window for measurement in chunk.measurements for window in open_windows(measurement, now)}
    if not windows:
        return
    job, keys = tail_job_name(chunk.source, names), [each.key for each in chunk.measurements]
    yield dg.RunRequest(
        run_key=f"{Reason.TAIL}:{chunk.name}:{now.isoformat()}",
        job_name=job,
        run_config={"ops": {f"{job}_windows": {"config": {"measurements": keys}}}},
        tags={
            **_FIRST,
            **subject_tags(keys, windows),
            REASON: str(Reason.TAIL),
            CHUNK: chunk.name,
        },
    )


def _busy(context: dg.SensorEvaluationContext) -> set[str]:
    """The chunks with an unfinished run."""
    runs = context.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED, tags={REASON: str(Reason.TAIL)}))
    return {run.tags.get(CHUNK, "") for run in runs if _is_ours(run, context)}


def _is_ours(run: dg.DagsterRun, context: dg.SensorEvaluationContext) -> bool:
    """Whether a run belongs to this code location: another one may use the same names."""
    origin = context.code_location_origin
    return not is_elsewhere(run, origin.location_name if origin else None)


def _failures(context: dg.SensorEvaluationContext, now: datetime) -> dict[str, int]:
    """How often the tails of each chunk failed in a row."""
    ended = context.instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS],
            tags={REASON: str(Reason.TAIL)},
            updated_after=now - _REMEMBERED,
        ),
        limit=_ENDED,
    )
    failures: dict[str, int] = defaultdict(int)
    recovered: set[str] = set()
    for record in ended:
        if not _is_ours(record.dagster_run, context):
            continue
        chunk = record.dagster_run.tags.get(CHUNK, "")
        if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS:
            recovered.add(chunk)
        elif chunk not in recovered:
            failures[chunk] += 1
    return failures


def _pause(chunk: Chunk, failures: Mapping[str, int]) -> float:
    """The pause after a chunk's last run, in seconds."""
    paused = chunk.every * (1 << min(failures.get(chunk.name, 0), 16))
    return max(chunk.every, min(paused, LONGEST_PAUSE)).total_seconds()
