"""A real Dagster webserver and daemon on a lake of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")

REPOSITORY = Path(__file__).parents[2]
_WORKSPACE = REPOSITORY / "workspace.yaml"
_STOP_SECONDS = 30


def wait_until(condition: Callable[[], T], *, seconds: float, what: str) -> T:
    """Wait for a condition to become true, and give what it was."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        pause.wait(0.25)
    return found


@dataclass
class DagsterSite:
    """`dagster-webserver` and `dagster-daemon` with the repository's workspace.yaml and dagster.yaml.

    Attributes:
        folder: Holds the lake.yaml; Dagster's own files go there too.
        environment: More variables for both.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        home = self.folder / "dagster"
        home.mkdir()
        shutil.copy(REPOSITORY / "dagster.yaml", home)
        self._variables = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(REPOSITORY), **self.environment}
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with ExitStack() as started:
            port = self.url.rpartition(":")[2]
            self._start(started, "dagster_webserver", "-w", str(_WORKSPACE), "-h", "127.0.0.1", "-p", port)
            wait_until(self._is_serving, seconds=120, what="the webserver")
            self._start(started, "dagster._daemon", "run", "-w", str(_WORKSPACE))
            wait_until(self._is_healthy, seconds=120, what="the daemon")
            self._started = started.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        self._started.close()

    def ask(self, query: str, **variables: Any) -> Any:
        """The data that a GraphQL query gives."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        return found["data"]

    def backfill(self, *keys: list[str], partitions: list[str]) -> str:
        """Launch a backfill of some assets; gives its id."""
        parameters = {"assetSelection": [{"path": key} for key in keys], "partitionNames": partitions}
        launched = self.ask(_LAUNCH, parameters=parameters)["launchPartitionBackfill"]
        assert "backfillId" in launched, launched
        return str(launched["backfillId"])

    def launch(self, key: list[str], partitions: list[str]) -> list[str]:
        """Queue a run for each partition of an asset, all at once; gives their ids."""
        selector = {
            "repositoryLocationName": "influx_lake",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": key}],
        }
        tags = [{"tags": [{"key": "dagster/partition", "value": partition}]} for partition in partitions]
        launched = self.ask(
            _LAUNCH_RUNS, runs=[{"selector": selector, "mode": "default", "executionMetadata": each} for each in tags]
        )["launchMultipleRuns"]
        return [run["run"]["runId"] for run in launched["launchMultipleRunsResult"]]

    def ended_runs(self, runs: list[str], *, seconds: float) -> list[dict[str, Any]]:
        """The runs once they have ended, as they were started."""

        def look() -> list[dict[str, Any]] | None:
            found: list[dict[str, Any]] = self.ask(_RUNS, ids=runs)["runsOrError"]["results"]
            return found if all(run["endTime"] for run in found) else None

        ended = wait_until(look, seconds=seconds, what=f"{len(runs)} runs")
        return sorted(ended, key=lambda run: float(run["startTime"]))

    def ended(self, backfill: str, *, seconds: float) -> dict[str, Any]:
        """The backfill once it has ended, with its runs."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.ask(_BACKFILL, id=backfill)["partitionBackfillOrError"]
            return found if found["status"] not in ("REQUESTED", "CANCELING", "FAILING") else None

        return wait_until(look, seconds=seconds, what=f"the backfill {backfill}")

    def log(self, run: str) -> str:
        """What Dagster shows of a run, as text."""
        return json.dumps(self.ask(_RUN_LOG, id=run))

    def _start(self, started: ExitStack, module: str, *arguments: str) -> None:
        log = started.enter_context((self.folder / f"{module}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env=self._variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.callback(_stop, process)

    def _is_serving(self) -> bool:
        try:
            locations = self.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
        except (urllib.error.URLError, ConnectionError):
            return False
        assert all(entry["locationOrLoadError"]["__typename"] == "RepositoryLocation" for entry in locations), locations
        return bool(locations)

    def _is_healthy(self) -> bool:
        statuses = self.ask("{ instance { daemonHealth { allDaemonStatuses { healthy required } } } }")
        daemons = statuses["instance"]["daemonHealth"]["allDaemonStatuses"]
        return all(each["healthy"] for each in daemons if each["required"])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


_LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  __typename ... on PythonError { message } } } } } }"""
_LAUNCH = """mutation($parameters: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $parameters) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_LAUNCH_RUNS = """mutation($runs: [ExecutionParams!]!) { launchMultipleRuns(executionParamsList: $runs) {
  ... on LaunchMultipleRunsResult { launchMultipleRunsResult { ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message } } } ... on PythonError { message } } }"""
_RUNS = """query($ids: [String!]) { runsOrError(filter: {runIds: $ids}) { ... on Runs { results {
  runId status startTime endTime } } } }"""
_BACKFILL = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status error { message } runs { runId status } } } }"""
_RUN_LOG = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
  ... on MessageEvent { message } ... on ErrorEvent { error { message stack causes { message stack } } }
  ... on ExecutionStepFailureEvent { failureMetadata { metadataEntries {
    label ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr } } } } } } } }"""
