"""Does the checks of measurements that Dagster has no result of, though their tables hold rows."""

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
    """Record a result of each check that has none, of measurements whose tables hold rows: their newest windows.

    Args:
        instance: Dagster's instance.
        lake: The lake.
        catalog: Its catalog.
        open_source: Opens a source by its name.
        until: Whether to stop before the next measurement; its checks are done with its next load.

    Returns:
        How many results were recorded, and why others could not be had.
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
