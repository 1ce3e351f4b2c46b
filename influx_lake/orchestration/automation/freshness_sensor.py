"""Runs the check `freshness` while no loads run, which is what it has to notice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.checks.suite import has_check
from influx_lake.config import Lake, Measurement, redact
from influx_lake.errors import LakeError
from influx_lake.orchestration.assets.checks import check_evaluation
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.resources import catalog_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.sources.protocol import Source

NAME = "freshness_of_measurements"
SECONDS = 60
REPEATED_SECONDS = 3600
"""The interval for recording an unchanged result, so that its figures are plotted."""
_CHECK = "freshness"
_BUDGET_SECONDS = 2.0
"""CPU seconds of a tick; the next tick continues with the remaining measurements."""


def freshness_sensors(lake: Lake) -> list[dg.SensorDefinition]:
    """The sensor, where a measurement of the lake has the check `freshness`."""
    measurements = [each for each in lake.measurements if has_check(each, _CHECK)]
    return [_sensor(measurements, LakeNames.of(lake))] if measurements else []


def _sensor(measurements: Sequence[Measurement], names: LakeNames) -> dg.SensorDefinition:
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        begin = json.loads(context.cursor)["next"] if context.cursor else 0
        ordered = [*measurements[begin:], *measurements[:begin]]
        catalog = catalog_of(context, names)
        found, looked_at = _within_budget(_evaluations(catalog, ordered))
        known = _known(context.instance, [evaluation.asset_key for evaluation in found])
        events = [each for each in found if _is_worth_recording(each, known.get(each.asset_key))]
        position = (begin + looked_at) % len(measurements)
        stale = sum(not each.passed for each in found)
        said = f"{looked_at} of {len(measurements)} measurements looked at, {stale} not fresh"
        return dg.SensorResult(
            asset_events=events, cursor=json.dumps({"next": position}), skip_reason=dg.SkipReason(said)
        )

    return dg.SensorDefinition(
        name=names.scoped(NAME),
        evaluation_fn=evaluate,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={names.catalog},
        description="Does the check `freshness` of each measurement, from the metadata of its table.",
    )


def _within_budget(evaluations: Iterator[dg.AssetCheckEvaluation]) -> tuple[list[dg.AssetCheckEvaluation], int]:
    until = time.process_time() + _BUDGET_SECONDS
    found = []
    for evaluation in evaluations:
        found.append(evaluation)
        if time.process_time() > until:
            break
    return found, len(found)


def _evaluations(catalog: Catalog, measurements: Sequence[Measurement]) -> Iterator[dg.AssetCheckEvaluation]:
    for measurement in measurements:
        try:
            yield _evaluation(catalog, measurement)
        except LakeError as error:
            # A transient error fails the tick, or all measurements would turn red; others are about this table alone.
            if error.transient:
                raise
            yield dg.AssetCheckEvaluation(
                asset_key(measurement), _CHECK, passed=False, description=redact(str(error.about(measurement.name)))
            )


def _evaluation(catalog: Catalog, measurement: Measurement) -> dg.AssetCheckEvaluation:
    from influx_lake.checks.subject import Subject
    from influx_lake.checks.suite import evaluate

    subject = Subject(measurement, catalog, _no_source, datetime.now(UTC))
    [(_, outcome, severity)] = evaluate(subject, [_CHECK])
    return check_evaluation(asset_key(measurement), _CHECK, subject.about(outcome.message), outcome, severity)


def _no_source() -> Source:
    raise AssertionError("freshness is computed from the table alone")


def _known(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, tuple[dg.AssetCheckEvaluation, float]]:
    """The last recorded result of each measurement, with its time."""
    checks = [dg.AssetCheckKey(key, _CHECK) for key in keys]
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    known = {}
    for key, record in records.items():
        event = record.event.dagster_event if record.event else None
        data = event.event_specific_data if event else None
        if record.event and isinstance(data, dg.AssetCheckEvaluation):
            known[key.asset_key] = data, record.event.timestamp
    return known


def _is_worth_recording(found: dg.AssetCheckEvaluation, known: tuple[dg.AssetCheckEvaluation, float] | None) -> bool:
    """Whether a result is new, or a success not recorded for a while; an unchanged failure is recorded once."""
    if known is None:
        return True
    before, at = known
    if _state(before) != _state(found):
        return True
    return found.passed and time.time() - at > REPEATED_SECONDS


def _state(evaluation: dg.AssetCheckEvaluation) -> dg.AssetCheckSeverity | None:
    return None if evaluation.passed else evaluation.severity
