"""The commands that run until they are stopped: `sandbox` and `ui`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from influx_lake.cli.sandboxes import SANDBOX_FOLDER, running_sandbox
from influx_lake.config import example_lake
from testbed.waiting import wait_until


@contextmanager
def running(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A command that says on stdout, as JSON, that it is ready."""
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "influx_lake.cli", *arguments, "--json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        assert process.stdout is not None
        text = ""
        try:
            for line in process.stdout:
                text += line
                if line == "}\n":
                    break
            yield process, json.loads(text)
        finally:
            process.terminate()
            assert process.stdout.read() == ""
            process.wait(timeout=100)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_the_sandbox_in_the_foreground(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, "sandbox", "--port", "0", "--database", "plant") as (process, told):
        assert told["pid"] == process.pid
        assert told["token_file"] == str(tmp_path / SANDBOX_FOLDER / "token")
        token = Path(told["token_file"]).read_text().strip()
        request = urllib.request.Request(
            f"{told['url']}/api/v3/configure/database?format=json", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert "plant" in answer.read().decode()
        with socket.create_connection(("127.0.0.1", told["flight_port"]), timeout=10):
            pass
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    assert (tmp_path / "stderr").read_text() == "The sandbox has stopped.\n"


@pytest.mark.slow
def test_two_sandboxes_in_one_folder(tmp_path: Path) -> None:
    with running(tmp_path, "sandbox", "--port", "0"):
        second = subprocess.run(
            [sys.executable, "-m", "influx_lake.cli", "sandbox", "--port", "0"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert second.returncode == 1
    assert "is in use by another sandbox" in second.stderr


@pytest.mark.slow
def test_the_ui_with_its_sandbox_and_nothing_left_behind(tmp_path: Path) -> None:
    (tmp_path / "lake.yaml").write_text(example_lake())
    with running_sandbox(tmp_path / SANDBOX_FOLDER) as box:
        box.write("telemetry", "cpu,host=a usage=1 1767225600", "s")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
    variables = {"INFLUXDB3_HOST": host, "DAGSTER_HOME": ""}
    with running(tmp_path, "ui", "--port", "0", environment=variables) as (process, told):
        assert told["sandbox"] == host
        assert told["dagster_home"] == str(tmp_path / ".lake" / "dagster")
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3
        query = b'{"query": "{ assetsOrError { ... on AssetConnection { nodes { key { path } } } } }"}'
        request = urllib.request.Request(f"{told['url']}/graphql", query, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert '"telemetry", "cpu"' in answer.read().decode().replace('","', '", "')
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=100) == 130
    wait_until(lambda: not any(child.is_running() for child in children), "the end of every child")
    said = (tmp_path / "stderr").read_text()
    assert "superseded" not in said
    assert "Warning" not in said
    assert "Traceback" not in said
