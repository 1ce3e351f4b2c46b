"""The sensor that compares sources and lake, and loads windows again that differ."""

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from influx_lake.checks.suite import has_check
from influx_lake.config import Automation, Lake, Measurement
from influx_lake.errors import LakeError
from influx_lake.observing import Observation
from influx_lake.orchestration.assets.checks import check_evaluation
from influx_lake.orchestration.assets.source_assets import shows_databases, source_key
from influx_lake.orchestration.automation.run_planning import run_requests
from influx_lake.orchestration.dagster_internals import DATA_VERSION_TAG
from influx_lake.orchestration.failures import as_failure, failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.recent_runs import RecentRuns
from influx_lake.orchestration.resources import catalog_of, source_of
from influx_lake.orchestration.tags import Reason
from influx_lake.replication.planning.due import DueWindow

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from influx_lake.config.values.windows import Window
    from influx_lake.replication.comparison.compare_windows import Comparison
    from influx_lake.replication.comparison.reconcile import Judgement
    from influx_lake.sources.protocol import Source

CHECK = "source_equals_lake"
PROFILED_BYTES = 64_000_000
"""The most bytes of table files that a tick reads to compare values; always one window at least."""
TICK = timedelta(seconds=30)
"""The interval of the sensor."""
FEW = 25
"""A tick compares as many measurements, if their time has come."""
_SPARE = 1.25
"""A tick compares as many times the measurements that would do if all ticks took place, to catch up."""


@dataclass(slots=True)
class Budget:
    """The limits of one tick; the remaining measurements follow with the next ones.

    Attributes:
        cpu_seconds: CPU time after the first measurement, with which a new process imports and connects.
        seconds: Elapsed time, including waits for sources and catalog: Dagster allows a tick a minute.
    """

    cpu_seconds: float = 0.25
    seconds: float = 20.0
    _cpu: float | None = None
    _began: float = field(default_factory=time.monotonic)

    def is_spent(self) -> bool:
        """Whether the tick stops; called after each measurement."""
        self._cpu = time.process_time() if self._cpu is None else self._cpu
        return time.process_time() - self._cpu >= self.cpu_seconds or time.monotonic() - self._began >= self.seconds


@dataclass(slots=True)
class Cursor:
    """The state that the sensor keeps between ticks.

    Attributes:
        looked: When each table was last compared, in seconds since 1970.
        found: The memory of windows that differed, by table and partition.
    """

    looked: dict[str, float] = field(default_factory=dict)
    found: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """Parse the cursor that `str()` wrote."""
        return cls(**json.loads(text)) if text else cls()

    def __str__(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    def due(self, measurements: Iterable[Measurement], now: datetime) -> list[Measurement]:
        """The measurements that are due for comparison, the longest due first."""
        moment = now.timestamp()
        due = [
            each
            for each in measurements
            if each.reconcile and moment >= self.looked.get(each.full_name, 0.0) + each.reconcile.every.total_seconds()
        ]
        return sorted(due, key=lambda each: self.looked.get(each.full_name, 0.0))


@dataclass(slots=True)
class _Found:
    """The results of a tick."""

    events: list[dg.AssetObservation | dg.AssetCheckEvaluation] = field(default_factory=list)
    to_load: list[DueWindow] = field(default_factory=list)
    compared: int = 0
    failed: list[LakeError] = field(default_factory=list)


def reconcile_sensor(
    lake: Lake,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    budget: Callable[[], Budget] = Budget,
) -> dg.SensorDefinition:
    """The sensor that compares loaded windows of measurements with `reconcile` with their sources.

    Args:
        lake: The lake.
        clock: The present.
        budget: The limits of a tick.
    """
    measurements = [each for each in lake.measurements if each.reconcile is not None]
    most = most_at_once(measurements)
    upstream = None if shows_databases(lake) else source_key(lake)
    running, names = lake.operation.automation is not Automation.OFF, LakeNames.of(lake)
    observation = Observation.of(lake)

    @dg.sensor(
        name=names.scoped("reconcile"),
        asset_selection=dg.AssetSelection.assets(*(asset_key(each) for each in measurements)),
        minimum_interval_seconds=int(TICK.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={
            names.catalog,
            *(names.source(name) for each in measurements for name in (each.source, each.archive) if name),
        },
        description="Compares recent windows with their sources. Windows that differ are loaded again; sources "
        "that lost rows are reported.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now, limits, cursor = clock(), budget(), Cursor.parse(context.cursor)
        due = cursor.due(measurements, now)
        if not due:
            return dg.SkipReason("every measurement was compared a short while ago")
        with failing_clearly(), observation.of_loads(names.scoped("reconcile")), ExitStack() as stack:
            recent = RecentRuns.of(context.instance, now, context.repository_def)
            reconciling = _Reconciling(
                catalog=catalog_of(context, names),
                open_source=_opening(context, stack, names),
                recent=recent,
                cursor=cursor,
                upstream=upstream,
                now=now,
            )
            found = _Found()
            for measurement in due[:most]:
                known = len(found.failed)
                try:
                    reconciling.look_at(measurement, found)
                except LakeError as error:
                    found.failed.append(error)
                for failure in found.failed[known:]:
                    context.log.warning(str(as_failure(failure).description))
                if limits.is_spent():
                    break
            if found.failed and not found.compared:
                raise as_failure(found.failed[0])
            said = f"{found.compared} of {len(due)} measurements compared: {len(found.to_load)} windows to load"
            context.log.info(said)
            requests = run_requests(found.to_load, Reason.DIFFERS, recent)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(said),
            asset_events=found.events,
            cursor=str(cursor),
        )

    return tick


def most_at_once(measurements: Iterable[Measurement]) -> int:
    """How many measurements one tick compares at most: so that each is compared as often as its `every` says, and their
    turns are spread over that time.
    """
    shares = (TICK / each.reconcile.every for each in measurements if each.reconcile)
    return max(FEW, math.ceil(_SPARE * sum(shares)))


def _opening(context: dg.SensorEvaluationContext, stack: ExitStack, names: LakeNames) -> "Callable[[str], Source]":
    """Returns sources by name, each opened once."""
    opened: dict[str, Source] = {}

    def open_source(name: str) -> "Source":
        if name not in opened:
            opened[name] = stack.enter_context(source_of(context, names, name).open())
        return opened[name]

    return open_source


@dataclass(frozen=True, slots=True)
class _Reconciling:
    """Compares measurements and collects the actions.

    Attributes:
        catalog: The catalog of the tables.
        open_source: Returns a source by its name.
        recent: The unfinished and failed runs.
        cursor: The state between ticks, updated with each comparison.
        upstream: Returns the external asset of a measurement, by source and name; None: measurements have none.
        now: The present.
    """

    catalog: "Catalog"
    open_source: "Callable[[str], Source]"
    recent: RecentRuns
    cursor: Cursor
    upstream: Callable[[str, str], dg.AssetKey] | None
    now: datetime

    def look_at(self, measurement: Measurement, found: _Found) -> None:
        """Compare a measurement's windows; where that fails, its turn is over too."""
        from influx_lake.replication.comparison.reconcile import Action

        self.cursor.looked[measurement.full_name] = round(self.now.timestamp(), 3)
        judgements, failures = self._judged(measurement)
        found.compared += 1
        found.failed.extend(failures)
        self._remember(measurement, judgements)
        for each in judgements:
            if each.action is not Action.NOTHING:
                found.events.append(self._observation(each))
            if each.action is Action.LOAD:
                found.to_load.append(DueWindow(measurement, each.comparison.window))
        changed = [each for each in judgements if each.action in (Action.REPORT, Action.RECOVERED)]
        if changed and has_check(measurement, CHECK):
            found.events.append(_evaluation(measurement, [each.comparison for each in judgements]))

    def _judged(self, measurement: Measurement) -> "tuple[list[Judgement], list[LakeError]]":
        """The judgements of the windows, and the errors of those that could not be compared."""
        from influx_lake.iceberg.scan.reader import find_table
        from influx_lake.iceberg.table_state import table_state
        from influx_lake.replication.comparison.compare_windows import Depth
        from influx_lake.replication.comparison.reconcile import Memory, judge, windows_to_compare
        from influx_lake.replication.comparison.verify import compare_apart

        table = find_table(self.catalog, measurement.identifier, measurement.share)
        assert measurement.reconcile is not None
        windows = [
            window
            for window in windows_to_compare(measurement, table_state(table).coverage, self.now)
            if not self._is_handled(DueWindow(measurement, window))
        ]
        chosen = self._to_profile(measurement, table, windows)
        source = self.open_source(measurement.source)
        archive = self.open_source(measurement.archive) if measurement.archive and chosen else None

        def depth(window: "Window") -> Depth:
            return Depth.PROFILE if window in chosen else Depth.ROWS

        compared = compare_apart(source, self.catalog, measurement, windows, depth=depth, archive=archive)
        known = self.cursor.found.get(measurement.full_name, {})
        memories = {key: Memory(**remembered) for key, remembered in known.items()}
        every = measurement.reconcile.every
        judgements = [
            judge(each, memories.get(measurement.scheme.key(each.window)), self.now, every)
            for each in compared.comparisons
        ]
        return judgements, compared.failures

    def _to_profile(
        self, measurement: Measurement, table: "Table | None", windows: "Sequence[Window]"
    ) -> "set[Window]":
        """The windows whose values are compared by this tick; others follow with the next ones."""
        from influx_lake.iceberg.scan.planning import files_of

        options = measurement.reconcile
        if options is None or not options.profile or table is None or not windows:
            return set()
        turn = int(self.now.timestamp() // options.every.total_seconds()) % len(windows)
        chosen: set[Window] = set()
        left = PROFILED_BYTES
        for window in (*windows[turn:], *windows[:turn]):
            found = files_of(table, window, measurement.time_column)
            left -= sum(task.file.file_size_in_bytes for task in (*found.inside, *found.straddling))
            if left < 0 and chosen:
                break
            chosen.add(window)
        return chosen

    def _is_handled(self, due: DueWindow) -> bool:
        return self.recent.is_busy(due) or self.recent.is_pausing(due)

    def _remember(self, measurement: Measurement, judgements: "Sequence[Judgement]") -> None:
        """Store the memory of compared windows, and keep that of windows that are being loaded."""
        assert measurement.reconcile is not None
        oldest = measurement.scheme.key(measurement.scheme.window_at(self.now - measurement.reconcile.within))
        known = self.cursor.found.pop(measurement.full_name, {})
        looked = {measurement.scheme.key(each.comparison.window): each.memory for each in judgements}
        kept = {key: value for key, value in known.items() if key not in looked and key >= oldest}
        kept |= {key: asdict(memory) for key, memory in looked.items() if memory is not None}
        if kept:
            self.cursor.found[measurement.full_name] = kept

    def _observation(self, judgement: "Judgement") -> dg.AssetObservation:
        """The observation of a source's partition. Its data version changes only where the partition has to be loaded
        again, so that Dagster shows only that one as out of date.

        Where measurements have no asset in their source, it is one of the table's partition, whose data version is its
        own.
        """
        from influx_lake.replication.comparison.reconcile import Action

        comparison, loads = judgement.comparison, judgement.memory.loads if judgement.memory else 0
        measurement = comparison.measurement
        version = comparison.source_version if judgement.action is Action.LOAD else comparison.lake_version
        observed = self.upstream(measurement.source, measurement.name) if self.upstream else asset_key(measurement)
        return dg.AssetObservation(
            observed,
            partition=measurement.scheme.key(comparison.window),
            description=comparison.explanation,
            metadata={
                "verdict": str(comparison.verdict),
                "window": str(comparison.window),
                "source_rows": comparison.source_rows,
                "lake_rows": comparison.lake_rows,
                "changed_columns": ", ".join(comparison.changed),
                "loaded_again": loads,
            },
            tags={DATA_VERSION_TAG: version} if self.upstream else {},
        )


def _evaluation(measurement: Measurement, comparisons: "Sequence[Comparison]") -> dg.AssetCheckEvaluation:
    """The result of `source_equals_lake` for all compared windows."""
    from influx_lake.checks.source_equality import outcome_of

    outcome, severity = outcome_of(comparisons), measurement.checks.source_equals_lake.counts_as
    about = f"measurement {measurement.name}: {outcome.message}"
    return check_evaluation(asset_key(measurement), CHECK, about, outcome, severity)
