"""Whether a run lives, as its code server tells, or no longer tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg
import grpc
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.__generated__ import dagster_api_pb2
from dagster._grpc.__generated__.dagster_api_pb2_grpc import DagsterApiServicer, add_DagsterApiServicer_to_server
from dagster._grpc.types import GetCurrentRunsResult

from influx_lake.orchestration import run_launcher
from influx_lake.orchestration.run_launcher import WatchingRunLauncher

PATIENCE = 60


class CodeServer(DagsterApiServicer):
    """Knows some runs; the servers of `dagster code-server start` do not answer this question."""

    def __init__(self, runs: list[str]) -> None:
        self.runs = runs

    def GetCurrentRuns(self, _request: Any, _context: Any) -> Any:
        result = GetCurrentRunsResult(current_runs=self.runs, serializable_error_info=None)
        return dagster_api_pb2.GetCurrentRunsReply(serialized_current_runs=dg.serialize_value(result))


@contextmanager
def serving(servicer: DagsterApiServicer, port: int = 0) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1))
    add_DagsterApiServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        server.stop(None).wait()


class Watched:
    """A run that was started by the code server at a port, and the launcher that looks at it."""

    def __init__(self, instance: dg.DagsterInstance, port: int) -> None:
        self.run = instance.create_run_for_job(
            nothing, status=dg.DagsterRunStatus.STARTED, tags={GRPC_INFO_TAG: info(port)}
        )
        self.launcher = WatchingRunLauncher(patience_seconds=PATIENCE)
        self.launcher.register_instance(instance)

    def status(self) -> WorkerStatus:
        return self.launcher.check_run_worker_health(self.run).status


@dg.job
def nothing() -> None:
    """Has no ops."""


def info(port: int) -> str:
    """Where Dagster's launcher notes that a run was started."""
    return json.dumps({"host": "127.0.0.1", "port": port})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(run_launcher, "monotonic", lambda: now[0])
    return now


def test_a_run_lives_as_long_as_its_code_server_has_it(instance: dg.DagsterInstance) -> None:
    code = CodeServer([])
    with serving(code) as port:
        watched = Watched(instance, port)
        code.runs = ["another", watched.run.run_id]
        assert watched.status() is WorkerStatus.RUNNING
        code.runs = ["another"]
        assert watched.status() is WorkerStatus.NOT_FOUND


def test_a_code_server_that_is_away_has_some_time_to_come_back(
    instance: dg.DagsterInstance, clock: list[float]
) -> None:
    code = CodeServer([])
    with ExitStack() as stack:
        port = stack.enter_context(serving(code))
        watched = Watched(instance, port)
        code.runs = [watched.run.run_id]
        stack.pop_all().close()
        assert watched.status() is WorkerStatus.RUNNING
        clock[0] = PATIENCE - 1
        assert watched.status() is WorkerStatus.RUNNING
        with serving(code, port):
            assert watched.status() is WorkerStatus.RUNNING
        clock[0] = PATIENCE + 1
        assert watched.status() is WorkerStatus.RUNNING
        clock[0] = 2 * PATIENCE + 1
        assert watched.status() is WorkerStatus.FAILED


def test_a_server_that_does_not_say_which_runs_it_has_is_believed(
    instance: dg.DagsterInstance, clock: list[float]
) -> None:
    with serving(DagsterApiServicer()) as port:
        watched = Watched(instance, port)
        assert watched.status() is WorkerStatus.RUNNING
        clock[0] = 10 * PATIENCE
        assert watched.status() is WorkerStatus.RUNNING
