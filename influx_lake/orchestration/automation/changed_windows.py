"""The sensor that loads windows again whose databases reported late points."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

import dagster as dg

from influx_lake.config import Automation, Lake
from influx_lake.config.values.units import counted
from influx_lake.errors import LakeError
from influx_lake.orchestration.automation.run_planning import run_requests
from influx_lake.orchestration.failures import as_failure, failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.recent_runs import RecentRuns
from influx_lake.orchestration.resources import asked_source_of
from influx_lake.orchestration.tags import REASON, Reason, partitions_of
from influx_lake.replication.changes.change import Change
from influx_lake.replication.changes.change_intake import nanoseconds
from influx_lake.replication.changes.due import changed_windows
from influx_lake.replication.changes.journal import ChangeJournal, Loaded
from influx_lake.replication.changes.table import note_table, tables_of_changes
from influx_lake.replication.planning.due import DueWindow

SENSOR = "changed_windows"
TICK = timedelta(seconds=10)
"""The interval of the sensor."""
AT_ONCE = 10
"""The most of its runs that are unfinished at once."""
PACE = timedelta(seconds=30)
"""The pause between two loads of a window: late points may trickle in for hours."""
MOST = 2_000
"""The most windows that a tick considers."""
SECONDS = 20.0
"""How long a tick reads tables of changes, in seconds; the others follow with the next ticks. Dagster allows a minute.
"""
_RUNS = 1_000
_GOLDEN_RATIO = (5**0.5 - 1) / 2
_FIRST = {"dagster/priority": "2"}


def changed_windows_sensor(
    lake: Lake, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> dg.SensorDefinition:
    """The sensor that reads reported changes, and starts runs for the windows that got points.

    A change is forgotten once a run that began after it was noted has loaded its window. Until then it is kept beside
    the lake.yaml, whatever happens to the daemon and its runs.

    Args:
        lake: The lake.
        clock: The present.
    """
    names, tables, journal = LakeNames.of(lake), tables_of_changes(lake), ChangeJournal.of(lake.root)
    running = lake.operation.automation is not Automation.OFF

    @dg.sensor(
        name=names.scoped(SENSOR),
        asset_selection=dg.AssetSelection.assets(*(asset_key(each) for each in lake.measurements)),
        minimum_interval_seconds=int(TICK.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={names.source(name) for name in tables},
        description="Loads windows again for which databases report points written after the load.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = clock()
        with failing_clearly():
            failed = list(_read_tables(context, lake, journal, now))
            for error in failed:
                context.log.warning(str(as_failure(error).description))
            pending = journal.pending()
            if not pending:
                if failed:
                    raise failed[0]
                return dg.SkipReason("no source reported points in a loaded window")
            loads = _loads(context.instance, lake, pending, now)
            journal.acknowledge(loads)
            recent = RecentRuns.of(context.instance, now, context.repository_def)
            found = changed_windows(lake, journal.pending(), now, _is_handled(recent, loads, now), most=MOST)
            if found.forgotten:
                journal.forget(found.forgotten)
            room = max(0, AT_ONCE - recent.started_for(Reason.CHANGED, lake.measurements))
            requests = run_requests(found.due, Reason.CHANGED, recent, limit=room, tags=_FIRST)
        said = f"{len(found.due)} windows to be loaded again"
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(f"{said}; those that changed are being loaded, or wait"),
        )

    return tick


def _read_tables(
    context: dg.SensorEvaluationContext, lake: Lake, journal: ChangeJournal, now: datetime
) -> Iterator[LakeError]:
    """Read the tables of changes; yields the errors of those that cannot be read."""
    names, tables, began = LakeNames.of(lake), sorted(tables_of_changes(lake)), time.monotonic()
    # Begin far from where earlier ticks began, so that every table gets its turn.
    first = int(now.timestamp() // TICK.total_seconds() * _GOLDEN_RATIO % 1 * len(tables))
    for name in (*tables[first:], *tables[:first]):
        if time.monotonic() - began > SECONDS:
            break
        try:
            with asked_source_of(context, names, name) as source:
                noted = note_table(lake, journal, name, source, now)
        except LakeError as error:
            yield error
            continue
        if noted.changes:
            context.log.info(f"{name} reported {counted(len(noted.changes), 'change')}")


def _loads(instance: dg.DagsterInstance, lake: Lake, pending: Sequence[Change], now: datetime) -> list[Loaded]:
    """The changed windows that successful runs loaded: runs since the first of the changes was noted, and recent runs
    for changes, which acknowledged them themselves where they share the lake's folder.
    """
    oldest = datetime.fromtimestamp(min(change.noted for change in pending) / 1e9, UTC)
    done = [dg.DagsterRunStatus.SUCCESS]
    wanted = [
        dg.RunsFilter(statuses=done, updated_after=oldest),
        dg.RunsFilter(statuses=done, updated_after=now - PACE, tags={REASON: Reason.CHANGED}),
    ]
    spans: dict[dg.AssetKey, list[tuple[str, str, int]]] = defaultdict(list)
    for record in chain.from_iterable(instance.get_run_records(each, limit=_RUNS) for each in wanted):
        partitions, began = partitions_of(record.dagster_run), record.start_time
        if partitions is not None and began is not None:
            for key in record.dagster_run.asset_selection or ():
                spans[key].append((*partitions, int(began * 1e9)))
    loaded = {each.full_name for each in lake.measurements if asset_key(each) in spans}
    due = changed_windows(lake, (change for change in pending if change.table in loaded), now).due
    return [
        Loaded(each.measurement.full_name, each.window, began)
        for each in due
        for first, last, began in spans.get(asset_key(each.measurement), ())
        if first <= each.key <= last
    ]


def _is_handled(recent: RecentRuns, loads: Sequence[Loaded], now: datetime) -> Callable[[DueWindow], bool]:
    """Whether a window is being loaded, failed a short while ago, or was loaded just now."""
    paced = nanoseconds(now - PACE)
    fresh = {(load.table, load.window) for load in loads if load.began > paced}

    def skip(due: DueWindow) -> bool:
        loaded_just_now = (due.measurement.full_name, due.window) in fresh
        return loaded_just_now or recent.is_busy(due) or recent.is_pausing(due)

    return skip
