"""Proving of windows: an asset and a job for each scheme, and a sensor."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import dagster as dg
from pydantic import Field

from influx_lake.checks.suite import checks_of
from influx_lake.config import Automation, Lake, Measurement
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Scheme, Window, merged, parse_moment, utc_text
from influx_lake.errors import LakeError
from influx_lake.orchestration.assets.checks import check_evaluation
from influx_lake.orchestration.automation.schedules import scheme_name
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.failures import as_failure, failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames, safe_name
from influx_lake.orchestration.partition_events import Facts, describe_partition
from influx_lake.orchestration.partitions import partitions_for, window_of
from influx_lake.orchestration.recent_runs import UNFINISHED
from influx_lake.orchestration.resources import catalog_of, source_of
from influx_lake.orchestration.tags import REASON, Reason, partition_tags, subject_tags

if TYPE_CHECKING:
    from influx_lake.replication.comparison.verify import Verification

GROUP = "proof"
CHECK = "proved"
TICK = timedelta(minutes=5)
"""The interval of the sensor."""
PROVING = "influx_lake/proving"
"""The tag of a run with the measurement whose windows it proves."""
_LAST = {"dagster/priority": "-1"}


class ProofConfig(dg.Config):
    """The configuration of a run."""

    measurements: list[str] = Field(
        default=[],
        description="By their names in lake.yaml. Default: all of these partitions with `proof` or `offload`.",
    )


def proves(measurement: Measurement) -> bool:
    """Whether a measurement has `proof` or `offload`."""
    return measurement.proof is not None or measurement.offload is not None


def proof_assets(lake: Lake) -> dict[Scheme, dg.AssetsDefinition]:
    """An asset for each scheme with measurements to prove: its partitions are the windows."""
    schemes = dict.fromkeys(each.scheme for each in lake.measurements if proves(each))
    return {scheme: _asset(lake, scheme) for scheme in schemes}


def proof_jobs(
    lake: Lake, assets: dict[Scheme, dg.AssetsDefinition]
) -> dict[Scheme, "dg.UnresolvedAssetJobDefinition"]:
    """The jobs of these assets."""
    names = LakeNames.of(lake)
    return {
        scheme: dg.define_asset_job(
            names.scoped(f"prove_{scheme_name(scheme)}"),
            selection=dg.AssetSelection.assets(asset),
            executor_def=dg.in_process_executor,
            tags={**_LAST, **names.tags},
            description="Compares windows with their source, value by value; the table keeps what is proved.",
        )
        for scheme, asset in assets.items()
    }


def _asset(lake: Lake, scheme: Scheme) -> dg.AssetsDefinition:
    names = LakeNames.of(lake)
    chosen = [each for each in lake.measurements if each.scheme == scheme]
    spec = dg.AssetSpec(
        ["influx_lake", "proof", *names.placed(scheme_name(scheme))],
        description="Materialising partitions compares their windows with the source, value by value. Windows that "
        "are equal are recorded in the tables as proved; the check `proved` shows how much of the history is.",
        group_name=GROUP,
        kinds={"iceberg", "influxdb"},
        tags=names.tags,
    )

    @dg.multi_asset(
        name=safe_name("__".join(spec.key.path)),
        specs=[spec],
        partitions_def=partitions_for(scheme),
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={names.catalog, *(names.source(each.source) for each in chosen)},
    )
    def prove(context: dg.AssetExecutionContext, config: ProofConfig) -> Iterator[dg.MaterializeResult[None]]:
        asked = [lake.find(name) for name in config.measurements]
        with failing_clearly(), warnings_in(context.log, context.instance):
            _prove(context, lake, asked or [each for each in chosen if proves(each)], scheme)
        yield dg.MaterializeResult(asset_key=context.asset_key)

    return prove


def _prove(context: dg.AssetExecutionContext, lake: Lake, measurements: Sequence[Measurement], scheme: Scheme) -> None:
    """Prove the windows of the run's partitions, and fail afterwards if some could not be compared.

    Raises:
        Failure: Windows could not be compared.
    """
    from influx_lake.replication.comparison.compare_windows import Depth
    from influx_lake.replication.comparison.verify import verify

    names, partitions = LakeNames.of(lake), partitions_for(scheme)
    windows = {key: window_of(partitions, key) for key in context.partition_keys}
    proved, failed = dict.fromkeys(windows, 0), list[LakeError]()
    for measurement in measurements:
        now = datetime.now(UTC)
        closed = [window for window in windows.values() if window.end <= now - measurement.lag]
        try:
            with source_of(context, names, measurement.source).open() as source:
                found = verify(source, catalog_of(context, names), measurement, closed, depth=Depth.VALUES)
        except LakeError as error:
            failed.append(error.about(measurement.name))
            context.log.warning(str(as_failure(failed[-1]).description))
            continue
        failed += [each.about(measurement.name) for each in (*found.failures, found.proved.failure) if each]
        _tell(context, lake, found)
        for key, window in windows.items():
            proved[key] += window in found.proved.windows
    for key, count in proved.items():
        facts: Facts = {
            "proved": dg.MetadataValue.int(count),
            "not_proved": dg.MetadataValue.int(len(measurements) - count),
        }
        describe_partition(context.asset_key, key, facts)
    if failed:
        raise as_failure(next((each for each in failed if not each.transient), failed[0]))


def _tell(context: dg.AssetExecutionContext, lake: Lake, found: "Verification") -> None:
    """Log the results of a measurement, and update its check `proved`."""
    measurement = found.measurement
    context.log.info(f"{measurement.key}: {counted(len(found.proved.windows), 'window')} proved")
    for comparison in found.differing:
        context.log.warning(f"{measurement.key} {comparison}: {comparison.explanation}")
    for window, why in found.proved.unproved.items():
        context.log.warning(f"{measurement.key} {window} is not proved: {why}")
    if CHECK in checks_of(measurement):
        context.log_event(_evaluation(context, lake, measurement))


def _evaluation(context: dg.AssetExecutionContext, lake: Lake, measurement: Measurement) -> dg.AssetCheckEvaluation:
    from influx_lake.checks.proved import proved
    from influx_lake.checks.subject import Subject
    from influx_lake.replication.changes.journal import ChangeJournal

    names = LakeNames.of(lake)
    subject = Subject(
        measurement=measurement,
        catalog=catalog_of(context, names),
        open_source=_no_source,
        now=datetime.now(UTC),
        pending=ChangeJournal.of(lake.root).pending,
    )
    outcome = proved(subject)
    severity = outcome.severity or measurement.checks.proved.counts_as
    about = f"measurement {measurement.name}: {outcome.message}"
    return check_evaluation(asset_key(measurement), CHECK, about, outcome, severity)


def _no_source() -> NoReturn:
    raise NotImplementedError("the check `proved` reads the table alone")


@dataclass(frozen=True, slots=True)
class _Looked:
    """The last turn of a measurement: its time, and the end of the windows that it proved."""

    at: float
    until: str

    def is_due(self, measurement: Measurement, now: datetime) -> bool:
        assert measurement.proof is not None
        return now.timestamp() >= self.at + measurement.proof.every.total_seconds()


def proof_sensor(
    lake: Lake,
    jobs: dict[Scheme, "dg.UnresolvedAssetJobDefinition"],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """The sensor that starts runs to prove closed windows of measurements with `proof`.

    A tick reads tables, and no source: it selects windows that are loaded and not proved. It continues after the
    windows of the last turn, so that windows which cannot be proved do not block others.

    Args:
        lake: The lake.
        jobs: Its `proof_jobs`.
        clock: The present.
    """
    measurements = [each for each in lake.measurements if each.proof is not None]
    running, names = lake.operation.automation is not Automation.OFF, LakeNames.of(lake)

    @dg.sensor(
        name=names.scoped("proof"),
        jobs=list(jobs.values()),
        minimum_interval_seconds=int(TICK.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={names.catalog},
        description="Starts runs that prove closed windows: compare them with their source, value by value.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now, raw = clock(), json.loads(context.cursor or "{}")
        looked = {each.full_name: _Looked(*raw.get(each.full_name, (0.0, ""))) for each in measurements}
        due = [each for each in measurements if looked[each.full_name].is_due(each, now)]
        if not due:
            return dg.SkipReason("every measurement had its turn a short while ago")
        requests = list[dg.RunRequest]()
        with failing_clearly():
            busy = _busy(context.instance)
            for measurement in due:
                if measurement.full_name in busy:
                    continue
                last = looked[measurement.full_name]
                windows = _unproved(catalog_of(context, names), lake, measurement, now, last.until)
                until = utc_text(windows[-1].end) if windows else ""
                looked[measurement.full_name] = _Looked(round(now.timestamp(), 3), until)
                if windows:
                    requests.append(_request(jobs[measurement.scheme], names, measurement, windows, now))
        cursor = json.dumps({name: [each.at, each.until] for name, each in looked.items()}, separators=(",", ":"))
        said = None if requests else dg.SkipReason("every window that closed is proved, or being proved")
        return dg.SensorResult(run_requests=requests, skip_reason=said, cursor=cursor)

    return tick


def _unproved(catalog: Any, lake: Lake, measurement: Measurement, now: datetime, after: str) -> list[Window]:
    """The windows of the next run: adjacent, loaded, not off-loaded and not proved."""
    from influx_lake.iceberg.proofs.offloaded import offloaded_from
    from influx_lake.iceberg.scan.reader import find_table
    from influx_lake.replication.changes.journal import ChangeJournal
    from influx_lake.replication.comparison.verify import closed_windows
    from influx_lake.replication.proof.proof_status import NOT_LOADED, standing

    table, options = find_table(catalog, measurement.identifier, measurement.share), measurement.proof
    if table is None or options is None:
        return []
    gone = offloaded_from(table)
    windows = [
        each
        for each in closed_windows(measurement, now, None, None)
        if not any(entry.meets(each) for entry in gone) and measurement.source_of(each) == measurement.source
    ]
    told = standing(measurement, table, windows, ChangeJournal.of(lake.root).pending())
    wanted = merged(each.window for each in told.unproved if each.why != NOT_LOADED)
    found = [each for each in windows if any(part.contains(each) for part in wanted)]
    begin = parse_moment(after) if after else None
    later = [each for each in found if begin is not None and each.start >= begin] or found
    chosen = later[: options.most_windows]
    breaks = (place for place in range(1, len(chosen)) if chosen[place - 1].end != chosen[place].start)
    return chosen[: next(breaks, len(chosen))]


def _request(
    job: "dg.UnresolvedAssetJobDefinition",
    names: LakeNames,
    measurement: Measurement,
    windows: Sequence[Window],
    now: datetime,
) -> dg.RunRequest:
    first, last = (measurement.scheme.key(each) for each in (windows[0], windows[-1]))
    step = safe_name("__".join(["influx_lake", "proof", *names.placed(scheme_name(measurement.scheme))]))
    return dg.RunRequest(
        run_key=f"{Reason.UNPROVED}:{measurement.full_name}:{first}:{last}:{now.isoformat()}",
        job_name=job.name,
        partition_key=first if first == last else None,
        run_config={"ops": {step: {"config": {"measurements": [measurement.key]}}}},
        tags={
            **subject_tags([measurement.key], windows),
            REASON: Reason.UNPROVED.value,
            PROVING: measurement.full_name,
            **({} if first == last else partition_tags(first, last)),
        },
    )


def _busy(instance: dg.DagsterInstance) -> set[str]:
    """The measurements with an unfinished run that proves windows."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED, tags={REASON: Reason.UNPROVED.value}))
    return {run.tags.get(PROVING, "") for run in runs}
