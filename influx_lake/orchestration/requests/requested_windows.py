"""The sensor that launches runs for windows of HTTP requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import dagster as dg

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.units import counted
from influx_lake.orchestration.automation.run_planning import Chunk, chunks_of, request_of
from influx_lake.orchestration.failures import failing_clearly
from influx_lake.orchestration.keys import asset_key
from influx_lake.orchestration.lake_names import LakeNames
from influx_lake.orchestration.tags import REQUEST, Reason
from influx_lake.replication.planning.due import DueWindow
from influx_lake.replication.requests.journal import FILE, Journal
from influx_lake.replication.requests.request import Assigned, Request, RequestedWindow, Runner

SENSOR = "requested_windows"
TICK = timedelta(seconds=10)
"""The interval of the sensor."""
RUNS_PER_TICK = 40
"""The most runs that a tick launches; the next tick launches the others."""
RUN_KEY = "dagster/run_key"
"""Dagster's tag with the run key that a sensor set."""
_FIRST = {"dagster/priority": "3"}
"""The priority of requested runs: a client waits for them."""


def requested_windows_sensor(lake: Lake) -> dg.SensorDefinition:
    """The sensor that reads the journal of the HTTP service, beside the lake.yaml.

    A run's key depends on the request alone, so that a repeated tick launches it once.

    Args:
        lake: The lake.
    """
    names = LakeNames.of(lake)
    measurements = {each.full_name: each for each in lake.measurements}

    @dg.sensor(
        name=names.scoped(SENSOR),
        asset_selection=dg.AssetSelection.assets(*(asset_key(each) for each in lake.measurements)),
        minimum_interval_seconds=int(TICK.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Loads the windows that were requested from `influx-lake serve`.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        # Without the service there is no journal, and this creates none.
        if not (lake.root / FILE).is_file():
            return dg.SkipReason("there are no requests")
        with failing_clearly(), closing(Journal.of(lake.root)) as journal:
            asked = [each for each in journal.open(Runner.DAGSTER) if each.is_planned and not each.is_canceled]
            requests: list[dg.RunRequest] = []
            for each in asked:
                requests += _new_runs(context.instance, journal, each, measurements, RUNS_PER_TICK - len(requests))
        if not requests:
            return dg.SkipReason(f"{counted(len(asked), 'request')} under way" if asked else "there are no requests")
        return dg.SensorResult(run_requests=requests)

    return tick


def _new_runs(
    instance: dg.DagsterInstance,
    journal: Journal,
    request: Request,
    measurements: dict[str, Measurement],
    room: int,
) -> list[dg.RunRequest]:
    """The runs of a request that were not launched yet, up to a limit; the journal gets their windows first."""
    windows = journal.windows(request.id)
    if room <= 0 or all(each.assigned is not None and each.state.is_final for each in windows):
        return []
    wanted, numbers = [], dict[tuple[str, str], RequestedWindow]()
    for each in windows:
        if (measurement := measurements.get(each.measurement)) is not None:
            due = DueWindow(measurement, each.window)
            wanted.append(due)
            numbers[each.measurement, due.key] = each
    launched = {run.tags.get(RUN_KEY) for run in instance.get_runs(dg.RunsFilter(tags={REQUEST: request.id}))}
    found: list[dg.RunRequest] = []
    for chunk in chunks_of(wanted):
        run = request_of(chunk, Reason.REQUESTED, request.created, tags={**_FIRST, REQUEST: request.id})
        if run.run_key not in launched and len(found) < room:
            journal.assign(request.id, dict(_assigned(chunk, str(run.run_key), numbers)))
            found.append(run)
    return found


def _assigned(
    chunk: Chunk, run: str, numbers: dict[tuple[str, str], RequestedWindow]
) -> Iterator[tuple[int, Assigned]]:
    for measurement in chunk.measurements:
        for window in chunk.windows:
            key = chunk.scheme.key(window)
            yield (
                numbers[measurement.full_name, key].number,
                Assigned(run, asset_key(measurement).to_user_string(), key),
            )
