"""Runs the checks of loaded measurements for which Dagster has no results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.checks.suite import checks_of, evaluate
from influx_lake.config import Lake, Measurement
from influx_lake.errors import LakeError
from influx_lake.orchestration.assets.checks import check_evaluation
from influx_lake.orchestration.keys import asset_key

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.sources.protocol import Source


def report_first_checks(
    instance: dg.DagsterInstance,
    lake: Lake,
    catalog: Catalog,
    open_source: Callable[[str], Source],
    *,
    until: Callable[[], bool] = lambda: False,
) -> tuple[int, list[LakeError]]:
    """Record a result for each check without one, over the newest windows of measurements whose tables have rows.

    Args:
        instance: Dagster's instance.
        lake: The lake.
        catalog: Its catalog.
        open_source: Opens a source by its name.
        until: Whether to stop before the next measurement; its checks then run with its next load.

    Returns:
        The number of recorded results, and the errors of checks that could not run.
    """
    recorded, failures, away = 0, list[LakeError](), set[str]()
    for measurement in lake.measurements:
        if until():
            break
        missing = _never_done(instance, measurement)
        if missing and measurement.source not in away:
            try:
                for evaluation in _evaluations(measurement, missing, catalog, open_source):
                    instance.report_runless_asset_event(evaluation)
                    recorded += 1
            except LakeError as error:
                failures.append(error.about(measurement.name))
                if error.transient:
                    away.add(measurement.source)
    return recorded, failures


def _never_done(instance: dg.DagsterInstance, measurement: Measurement) -> list[str]:
    keys = {name: dg.AssetCheckKey(asset_key(measurement), name) for name in checks_of(measurement)}
    if not keys:
        return []
    known = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    return [name for name, key in keys.items() if key not in known]


def _evaluations(
    measurement: Measurement, names: list[str], catalog: Catalog, open_source: Callable[[str], Source]
) -> Iterator[dg.AssetCheckEvaluation]:
    from influx_lake.checks.subject import Subject

    with closing(open_source(measurement.source)) as source:
        subject = Subject(measurement, catalog, lambda: source, datetime.now(UTC))
        if subject.windows:
            for name, outcome, severity in evaluate(subject, names):
                about = subject.about(outcome.message)
                yield check_evaluation(asset_key(measurement), name, about, outcome, severity)
