"""Follows the runs that load windows of HTTP requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import dagster as dg
from dagster import DagsterEventType

from influx_lake import errors
from influx_lake.errors import DaemonSilent, LakeError, UnforeseenError
from influx_lake.orchestration.recent_runs import UNFINISHED
from influx_lake.orchestration.requests.requested_windows import RUN_KEY
from influx_lake.orchestration.tags import REQUEST
from influx_lake.replication.requests.journal import Journal
from influx_lake.replication.requests.request import Request, RequestedWindow, Runner, State

SILENT_SECONDS = 120.0
"""How long the daemon may send no heartbeat before it counts as gone, in seconds."""
_EVENTS_AT_ONCE = 1_000
_SENSOR_DAEMON = "SENSOR"
_STATES = {
    dg.DagsterRunStatus.STARTED: State.RUNNING,
    dg.DagsterRunStatus.CANCELING: State.RUNNING,
    dg.DagsterRunStatus.SUCCESS: State.DONE,
    dg.DagsterRunStatus.FAILURE: State.FAILED,
    dg.DagsterRunStatus.CANCELED: State.CANCELED,
}


class DagsterRuns:
    """Follows runs of an instance, and cancels them.

    Args:
        instance: Dagster's instance.
        told: Converts an error to the form that clients of the service get.
    """

    def __init__(self, instance: dg.DagsterInstance, told: Callable[[LakeError], Mapping[str, Any]]) -> None:
        self._instance = instance
        self._told = told
        self._read: dict[str, str] = {}
        self._loaded: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}

    def check(self) -> None:
        """Check that the daemon, which evaluates the sensor and launches the runs, is alive.

        Raises:
            DaemonSilent: It sent no heartbeat lately; requests wait for it.
        """
        beats = self._instance.get_daemon_heartbeats()
        last = max((beat.timestamp for name, beat in beats.items() if name == _SENSOR_DAEMON), default=0.0)
        if time.time() - last > SILENT_SECONDS:
            raise DaemonSilent(
                "Dagster's daemon, which launches runs, sends no heartbeat",
                remedy="Start it: `influx-lake ui`, `dagster dev` or `dagster-daemon run`. Requests wait",
            )

    def follow(self, journal: Journal) -> None:
        """Record the progress of the runs of open requests, and cancel the runs of canceled ones."""
        for request in journal.open(Runner.DAGSTER):
            if request.is_planned:
                self._follow(journal, request)

    def _follow(self, journal: Journal, request: Request) -> None:
        windows = journal.windows(request.id)
        records = self._instance.get_run_records(dg.RunsFilter(tags={REQUEST: request.id}))
        # Newest first: the last attempt of a retried run counts.
        runs: dict[str, dg.DagsterRun] = {}
        for record in records:
            runs.setdefault(record.dagster_run.tags.get(RUN_KEY, ""), record.dagster_run)
        if request.is_canceled:
            self._cancel(record.dagster_run for record in records)
        failures: dict[str, Mapping[str, Any]] = {}
        for window in windows:
            if window.state.is_final or window.assigned is None:
                continue
            run = runs.get(window.assigned.run)
            if run is not None:
                self._note(journal, request, window, run, failures)
        self._conclude(journal, request, runs.values())

    def _note(
        self,
        journal: Journal,
        request: Request,
        window: RequestedWindow,
        run: dg.DagsterRun,
        failures: dict[str, Mapping[str, Any]],
    ) -> None:
        assert window.assigned is not None
        loaded = self._materialised(run).get((window.assigned.asset, window.assigned.partition))
        state = State.DONE if loaded is not None else _STATES.get(run.status)
        facts = {"run_id": run.run_id, **(loaded or {})}
        if state is State.FAILED:
            if run.run_id not in failures:
                failures[run.run_id] = self._failure(run)
            journal.note(request.id, window, state, facts=facts, error=failures[run.run_id])
        elif state is not None and state is not window.state:
            journal.note(request.id, window, state, facts=facts)

    def _conclude(self, journal: Journal, request: Request, runs: Collection[dg.DagsterRun]) -> None:
        windows = journal.windows(request.id)
        waiting = [each for each in windows if not each.state.is_final]
        under_way = any(run.status in UNFINISHED for run in runs)
        if under_way or (waiting and not request.is_canceled):
            return
        failed = next((each for each in windows if each.state is State.FAILED), None)
        if failed is not None:
            journal.finish(request.id, State.FAILED, error=failed.error)
        elif waiting or any(each.state is State.CANCELED for each in windows):
            journal.finish(request.id, State.CANCELED)
        else:
            journal.finish(request.id, State.DONE)
        for run in runs:
            self._read.pop(run.run_id, None)
            self._loaded.pop(run.run_id, None)

    def _cancel(self, runs: Iterable[dg.DagsterRun]) -> None:
        for run in runs:
            if run.status in UNFINISHED and run.status is not dg.DagsterRunStatus.CANCELING:
                self._instance.run_coordinator.cancel_run(run.run_id)

    def _materialised(self, run: dg.DagsterRun) -> dict[tuple[str, str], dict[str, Any]]:
        """The windows that a run has loaded, by asset and partition; only new events are read."""
        loaded = self._loaded.setdefault(run.run_id, {})
        if run.status in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED):
            return loaded
        while True:
            found = self._instance.get_records_for_run(
                run.run_id,
                cursor=self._read.get(run.run_id),
                of_type=DagsterEventType.ASSET_MATERIALIZATION,
                limit=_EVENTS_AT_ONCE,
            )
            for record in found.records:
                event = record.event_log_entry.dagster_event
                done = event.step_materialization_data.materialization if event is not None else None
                if done is not None and done.partition is not None:
                    loaded[done.asset_key.to_user_string(), done.partition] = _facts(done)
            self._read[run.run_id] = found.cursor
            if not found.has_more:
                return loaded

    def _failure(self, run: dg.DagsterRun) -> Mapping[str, Any]:
        """The failure of a run, in the form that clients get."""
        for entry in self._instance.all_logs(run.run_id, of_type=DagsterEventType.STEP_FAILURE):
            data = entry.dagster_event.step_failure_data if entry.dagster_event is not None else None
            if data is not None and data.user_failure_data is not None:
                texts = {name: value.value for name, value in data.user_failure_data.metadata.items()}
                return self._told(_error(data.user_failure_data.description or "", texts))
        message = "the run failed without recording a reason"
        return self._told(UnforeseenError(message, remedy=f"See run {run.run_id} in Dagster"))


def _facts(done: dg.AssetMaterialization) -> dict[str, Any]:
    """The figures of a loaded window, by the names of the command line."""
    names = {"dagster/partition_row_count": "rows", "previous_rows": "previous_rows", "snapshot_id": "snapshot_id"}
    names |= {"files": "files", "bytes": "bytes", "seconds": "seconds", "quarantined_rows": "quarantined_rows"}
    return {name: done.metadata[key].value for key, name in names.items() if key in done.metadata}


def _error(description: str, texts: Mapping[str, Any]) -> LakeError:
    """The error that a run's failure was made from."""
    kind = getattr(errors, str(texts.get("error")), UnforeseenError)
    remedy = texts.get("remedy")
    message = description.removesuffix(f" {remedy}") if remedy else description
    try:
        found: LakeError = kind(message, remedy=remedy)
    except TypeError:
        return UnforeseenError(message, remedy=remedy)
    return found
