"""A real Dagster webserver and daemon on a lake of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")

REPOSITORY = Path(__file__).parents[2]
SETTINGS = (REPOSITORY / "dagster.yaml").read_text(encoding="utf-8")
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


def with_block(name: str) -> str:
    """The settings with one of their blocks no longer commented out."""
    block = re.search(rf"^# \[{name}\]\n(.*?)^# \[/{name}\]\n", SETTINGS, re.DOTALL | re.MULTILINE)
    assert block is not None
    settings = SETTINGS
    if name == "postgres":
        settings = re.sub(r"^storage:\n(?:  .*\n)+", "", settings, flags=re.MULTILINE)
    return settings.replace(block[0], re.sub(r"^# ", "", block[1], flags=re.MULTILINE))


@dataclass
class DagsterSite:
    """`dagster-webserver` and `dagster-daemon` with the repository's workspace.yaml and dagster.yaml.

    Attributes:
        folder: Holds the lake.yaml; Dagster's own files go there too.
        environment: More variables for both.
        settings: The dagster.yaml, where it is not the repository's as it is.
        workspace: The workspace.yaml, where it is not the repository's.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: str = SETTINGS
    workspace: Path = _WORKSPACE

    def __enter__(self) -> Self:
        home = self.folder / "dagster"
        home.mkdir()
        (home / "dagster.yaml").write_text(self.settings, encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        self._variables = {
            **os.environ,
            "DAGSTER_HOME": str(home),
            "PYTHONPATH": str(REPOSITORY),
            "INFLUX_LAKE_WEBSERVER": self.url,
            **self.environment,
        }
        with ExitStack() as started:
            port = self.url.rpartition(":")[2]
            self._start(started, "dagster_webserver", "-w", str(self.workspace), "-h", "127.0.0.1", "-p", port)
            wait_until(self._is_serving, seconds=120, what="the webserver")
            self._start_daemon()
            started.callback(self._stop_daemon)
            self._started = started.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        self._started.close()

    def restart_daemon(self) -> None:
        """Stop the daemon as a deployment does, and start it again."""
        self._stop_daemon()
        self._start_daemon()

    def lose_daemon(self) -> None:
        """Kill the daemon and all that it started at once, code servers and runs, as a machine's end does."""
        os.killpg(self._daemon_pid, signal.SIGKILL)
        self._stop_daemon()

    @contextmanager
    def silent_code_servers(self) -> Iterator[None]:
        """The daemon's code servers stand still meanwhile."""
        servers = [pid for pid in _children(self._daemon_pid) if b"grpc" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert servers
        try:
            for pid in servers:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in servers:
                os.kill(pid, signal.SIGCONT)

    def start_daemon(self) -> None:
        """Start the daemon that was lost."""
        self._start_daemon()

    def ask(self, query: str, **variables: Any) -> Any:
        """The data that a GraphQL query gives."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        return found["data"]

    def asset_keys(self) -> set[str]:
        """The assets of the code location, once it is loaded anew."""
        self.ask('mutation { reloadRepositoryLocation(repositoryLocationName: "influx_lake") { __typename } }')
        wait_until(self._is_serving, seconds=120, what="the code location")
        return {
            "/".join(each["assetKey"]["path"])
            for each in self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        }

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

    def failures(self, runs: list[dict[str, Any]]) -> str:
        """The logs of those of some runs that failed."""
        return "\n".join(self.log(run["runId"]) for run in runs if run["status"] != "SUCCESS")

    def _start_daemon(self) -> None:
        self._daemon, now = ExitStack(), time.time()
        self._daemon_pid = self._start(self._daemon, "dagster._daemon", "run", "-w", str(self.workspace))
        wait_until(lambda: self._is_healthy(since=now), seconds=120, what="the daemon")

    def _stop_daemon(self) -> None:
        self._daemon.close()

    def _start(self, started: ExitStack, module: str, *arguments: str) -> int:
        log = started.enter_context((self.folder / f"{module}.log").open("ab"))
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env=self._variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.callback(_stop, process)
        return process.pid

    def _is_serving(self) -> bool:
        try:
            locations = self.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
        except (urllib.error.URLError, ConnectionError):
            return False
        assert all(entry["locationOrLoadError"]["__typename"] == "RepositoryLocation" for entry in locations), locations
        return bool(locations)

    def _is_healthy(self, since: float) -> bool:
        fields = "healthy required lastHeartbeatTime"
        statuses = self.ask(f"{{ instance {{ daemonHealth {{ allDaemonStatuses {{ {fields} }} }} }} }}")
        required = [each for each in statuses["instance"]["daemonHealth"]["allDaemonStatuses"] if each["required"]]
        # One that was stopped counts as healthy for some minutes.
        return all(each["healthy"] and each["lastHeartbeatTime"] > since for each in required)


def _children(parent: int) -> list[int]:
    """The processes that a process started."""
    stats = {int(each.parent.name): each.read_text() for each in Path("/proc").glob("[0-9]*/stat")}
    return [pid for pid, stat in stats.items() if int(stat.rpartition(")")[2].split()[1]) == parent]


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
