"""The checks of a measurement as Dagster asset checks, run after each load."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.checks.suite import MEANINGS, checks_of, evaluate, is_blocking
from influx_lake.config import Measurement, Severity, redact
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError
from influx_lake.observing import Observation
from influx_lake.orchestration.event_log.log_forwarding import warnings_in
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import UNNAMED, LakeNames
from influx_lake.orchestration.partitions import partitions_for, window_of
from influx_lake.orchestration.recent_runs import RecentRuns
from influx_lake.orchestration.resources import catalog_of, source_of
from influx_lake.orchestration.tags import partitions_of
from influx_lake.orchestration.window_metadata import preview
from influx_lake.replication.changes.change import Change
from influx_lake.replication.planning.due import DueWindow

if TYPE_CHECKING:
    from influx_lake.checks.outcome import Figure, Outcome
    from influx_lake.checks.subject import Subject
    from influx_lake.orchestration.execution.measurement_step import Evaluation

Pending = Callable[[], Sequence[Change]]
"""Returns the late points that sources reported and that are not loaded yet."""
SEVERITIES = {Severity.WARN: dg.AssetCheckSeverity.WARN, Severity.ERROR: dg.AssetCheckSeverity.ERROR}
_HISTORY = 100
_EXAMPLE_CHARACTERS = 200


def check_specs(measurement: Measurement, key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of a measurement's asset.

    Args:
        measurement: The measurement.
        key: Its asset.
    """
    return [
        _check_spec(name, is_blocking(measurement, name)).replace_key(dg.AssetCheckKey(key, name))
        for name in checks_of(measurement)
    ]


@cache
def _check_spec(name: str, blocking: bool) -> dg.AssetCheckSpec:
    """A check of any asset: to make one of it for another takes half the time."""
    return dg.AssetCheckSpec(name, asset="any", description=MEANINGS[name], blocking=blocking)


@dataclass(frozen=True, slots=True)
class Checker:
    """Runs a measurement's checks in a step.

    Attributes:
        key: Its asset.
        names: The names of its lake's resources.
        observation: The observers of its comparisons.
        pending: Returns the late points that sources reported and that are not loaded yet.
    """

    measurement: Measurement
    key: dg.AssetKey
    names: LakeNames = UNNAMED
    observation: Observation | None = None
    pending: Pending = tuple

    def __call__(self, context: dg.AssetExecutionContext, chosen: Collection[str]) -> "Iterator[Evaluation]":
        """Run the chosen checks; yields each result, or the error of a check that could not run.

        Raises:
            Failure: None could run.
        """
        with failing_clearly(self.measurement.name), warnings_in(context.log, context.instance), ExitStack() as stack:
            if self.observation is not None:
                stack.enter_context(self.observation.of_loads(context.run.job_name))
            subject = _subject(context, self.measurement, stack, self.names, self.pending)
            for name in checks_of(self.measurement):
                if name in chosen:
                    yield from _evaluated(context, subject, name, self.key)


def check_result(
    key: dg.AssetKey, name: str, about: str, outcome: "Outcome", severity: Severity
) -> dg.AssetCheckResult:
    """The result of a check that a step ran."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=outcome.passed,
        severity=SEVERITIES[severity],
        description=redact(about),
        metadata=check_metadata(outcome.figures),
    )


def check_evaluation(
    key: dg.AssetKey, name: str, about: str, outcome: "Outcome", severity: Severity
) -> dg.AssetCheckEvaluation:
    """The result of a check that ran outside of steps: in a sensor."""
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=name,
        passed=outcome.passed,
        severity=SEVERITIES[severity],
        description=redact(about),
        metadata=check_metadata(outcome.figures),
    )


def _evaluated(
    context: dg.AssetExecutionContext, subject: "Subject", name: str, key: dg.AssetKey
) -> "Iterator[Evaluation]":
    try:
        for _, outcome, severity in evaluate(subject, [name]):
            about = subject.about(outcome.message)
            context.log.info(f"{name}: {'passed' if outcome.passed else 'failed'}: {redact(about)}")
            yield check_result(key, name, about, outcome, severity)
    except LakeError as error:
        context.log.warning(f"{name} could not run: {redact(str(error))}")
        yield error.about(subject.measurement.name)


def _subject(
    context: dg.AssetExecutionContext,
    measurement: Measurement,
    stack: ExitStack,
    names: LakeNames,
    pending: Pending,
) -> "Subject":
    from influx_lake.checks.subject import Subject

    source = source_of(context, names, measurement.source)
    return Subject(
        measurement=measurement,
        catalog=catalog_of(context, names),
        open_source=lambda: stack.enter_context(source.open()),
        now=datetime.now(UTC),
        requested=_windows_of_run(context, measurement),
        known_means=lambda: _known_means(context.instance, asset_key(measurement)),
        pending=pending,
        is_coming=_coming(context.instance, measurement),
    )


def _coming(instance: dg.DagsterInstance, measurement: Measurement) -> Callable[[Window], bool]:
    """Whether a run is loading a window, or will. Dagster is queried once, and only if a window is missing."""

    @cache
    def runs() -> RecentRuns:
        return RecentRuns.of(instance, datetime.now(UTC))

    return lambda window: runs().is_busy(DueWindow(measurement, window))


def _windows_of_run(context: dg.AssetExecutionContext, measurement: Measurement) -> list[Window]:
    """The windows of the run's partitions; none for a run without partitions, such as one of the check alone."""
    ends = partitions_of(context.run)
    if ends is None:
        return []
    partitions = partitions_for(measurement.scheme)
    first, last = (window_of(partitions, key) for key in ends)
    return list(measurement.scheme.windows(first.start, last.end))


def _known_means(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[Window, Mapping[str, float]]:
    """The means that earlier checks recorded, the latest for each window."""
    from influx_lake.checks.outliers import MEANS

    storage = instance.event_log_storage
    found: dict[Window, Mapping[str, float]] = {}
    for record in storage.get_asset_check_execution_history(dg.AssetCheckKey(key, "outliers"), limit=_HISTORY):
        event = record.event.dagster_event if record.event else None
        data = event.event_specific_data if event else None
        means = data.metadata.get(MEANS) if isinstance(data, dg.AssetCheckEvaluation) else None
        if isinstance(means, dg.JsonMetadataValue) and isinstance(means.data, dict):
            for window, of in means.data.items():
                found.setdefault(Window.parse(window), of)
    return found


def check_metadata(figures: Mapping[str, "Figure"]) -> dict[str, dg.MetadataValue]:
    """The figures of a check as Dagster metadata."""
    return {name: _metadata_value(value) for name, value in figures.items()}


def _metadata_value(value: "Figure") -> dg.MetadataValue:
    if isinstance(value, datetime):
        return dg.MetadataValue.timestamp(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    if isinstance(value, str):
        return dg.MetadataValue.text(redact(value))
    return dg.MetadataValue.json(dict(value)) if isinstance(value, Mapping) else preview(value, _EXAMPLE_CHARACTERS)
