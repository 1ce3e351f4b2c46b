"""A step that loads the selected ones of its measurements, independently of each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from influx_lake.config import Measurement, redact
from influx_lake.errors import LakeError
from influx_lake.orchestration.execution.partition_rows import AssetOfStep
from influx_lake.orchestration.failures import as_failure, joined
from influx_lake.orchestration.partition_events import Facts, materializations
from influx_lake.orchestration.partitions import partitions_for, window_of

if TYPE_CHECKING:
    from influx_lake.orchestration.execution.io_manager import IcebergIOManager
    from influx_lake.orchestration.execution.measurement_rows import MeasurementRows

Evaluation = dg.AssetCheckResult | LakeError
"""The result of a check, or the error for which it could not run."""
Event = dg.MaterializeResult[None] | dg.AssetMaterialization | dg.AssetCheckResult
CHECKED_AGAIN = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL)
"""Retries of checks whose source was unavailable: the load before them succeeded."""


@dataclass(frozen=True, slots=True)
class StepMeasurement:
    """A measurement that a step can load and check.

    Attributes:
        rows: Returns its rows.
        check: Runs checks by name, one after the other.
    """

    measurement: Measurement
    rows: Callable[[dg.AssetExecutionContext], MeasurementRows]
    check: Callable[[dg.AssetExecutionContext, list[str]], Iterator[Evaluation]]


def load_and_check(
    context: dg.AssetExecutionContext, of: Mapping[dg.AssetKey, StepMeasurement], io_manager: str
) -> Iterator[Event]:
    """Load the selected measurements and run their checks, and fail afterwards if one failed.

    Args:
        context: The step.
        of: The measurements that it can load.
        io_manager: The resource that writes their tables.

    Yields:
        The materialisation of each loaded measurement, and the results of its checks; neither for failed ones.

    Raises:
        Failure: A measurement could not be loaded, or a check could not run.
        RetryRequested: Only checks are left, and their sources are unavailable.
    """
    done = _done_before(context)
    checks: dict[dg.AssetKey, list[str]] = defaultdict(list)
    for check in context.selected_asset_check_keys - done:
        checks[check.asset_key].append(check.name)
    chosen = context.selected_asset_keys - done
    failed: list[Exception] = []
    undone: list[LakeError] = []
    for key in (key for key in of if key in chosen or key in checks):
        if key in chosen:
            finished: dict[str, Facts] = {}
            try:
                _load(context, key, of[key], getattr(context.resources, io_manager), finished)
            except dg.DagsterExecutionInterruptedError:
                yield from materializations(key, finished)
                raise
            except Exception as error:
                yield from materializations(key, finished)
                failed.append(error)
                context.log.warning(f"{key.to_user_string()} was not loaded: {redact(str(error))}")
                continue
            yield dg.MaterializeResult(asset_key=key)
        for found in of[key].check(context, checks[key]) if key in checks else ():
            if isinstance(found, LakeError):
                undone.append(found)
            else:
                yield found
    if undone and not failed and all(error.transient for error in undone):
        _retry(context, undone)
    # Permanent failures first.
    failed += map(as_failure, sorted(undone, key=lambda error: error.transient))
    if failed:
        raise joined(failed)


def _load(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    of: StepMeasurement,
    io_manager: IcebergIOManager,
    finished: dict[str, Facts],
) -> None:
    partitions = partitions_for(of.measurement.scheme)
    windows = {partition: window_of(partitions, partition) for partition in context.partition_keys}
    io_manager.write(AssetOfStep(key, context.run.run_id, context.log), of.rows(context), windows, finished)


def _retry(context: dg.AssetExecutionContext, undone: list[LakeError]) -> None:
    """Have the step done again, unless it was often enough."""
    if context.retry_number < CHECKED_AGAIN.max_retries:
        raise dg.RetryRequested(
            CHECKED_AGAIN.max_retries, CHECKED_AGAIN.calculate_delay(context.retry_number + 1)
        ) from as_failure(undone[0])


def _done_before(context: dg.AssetExecutionContext) -> set[dg.AssetKey | dg.AssetCheckKey]:
    """The assets and checks that an earlier attempt of this step completed."""
    if not context.retry_number:
        return set()
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    step = context.op_execution_context.get_step_execution_context().step.key
    done: set[dg.AssetKey | dg.AssetCheckKey] = set()
    for entry in context.instance.all_logs(context.run.run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None or event.step_key != step:
            continue
        data = event.event_specific_data
        if isinstance(data, dg.AssetCheckEvaluation):
            done.add(data.asset_check_key)
        elif event.asset_key is not None:
            done.add(event.asset_key)
    return done
