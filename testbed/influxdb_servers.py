"""Real InfluxDB servers of the test's own: 1.6, 1.8 and 2, each over a temporary folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from influx_lake.config import Secret
from influx_lake.config.connections import InfluxDB1Config, InfluxDB2Config, SourceConfig
from testbed.waiting import wait_until

DATABASE = "telemetry"
ORG = "plant"
TOKEN = "a-token-of-the-tests"

_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
{more}
"""

BUILT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "influx_lake/servers"
"""Where `.ci/run` puts the servers that it builds."""


@dataclass(frozen=True)
class Server:
    """A running server with an empty database, or bucket, called `telemetry`.

    Attributes:
        url: Its address.
        options: The options of a source that reads it.
        folder: Its data.
        process: Its process.
    """

    url: str
    options: Mapping[str, Any]
    folder: Path
    process: subprocess.Popen[bytes]

    def config(self, **more: Any) -> SourceConfig:
        """The configuration of a source that reads it."""
        if self.options["type"] == "influxdb1":
            return InfluxDB1Config(**{**self.options, **more})
        return InfluxDB2Config(**{**self.options, "token": Secret(TOKEN), **more})

    def write(self, lines: str, policy: str | None = None) -> None:
        """Write line protocol with times in nanoseconds."""
        if self.options["type"] == "influxdb1":
            place = urllib.parse.urlencode({"db": DATABASE, **({"rp": policy} if policy else {})})
            self.request(f"/write?{place}", lines.encode())
        else:
            self.request(f"/api/v2/write?org={ORG}&bucket={DATABASE}", lines.encode())

    def query(self, statement: str) -> Any:
        """Run an InfluxQL statement."""
        text = urllib.parse.urlencode({"db": DATABASE, "q": statement}).encode()
        answer = json.loads(self.request("/query", text, {"Content-Type": "application/x-www-form-urlencoded"}))
        assert "error" not in json.dumps(answer), answer
        return answer

    def request(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        """Send a request as whoever may do everything."""
        sent = {"Authorization": f"Token {TOKEN}", **(headers or {})}
        request = urllib.request.Request(self.url + path, data=body, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()!r}") from None


def influxdb1_binary(name: str) -> str:
    """The program of InfluxDB 1.6 or 1.8; skips where it is not installed."""
    if name == "1.6":
        binary = os.environ.get("INFLUX_LAKE_TEST_INFLUXD16") or "/usr/bin/influxd"
        how = "apt-get install influxdb"
    else:
        binary = os.environ.get("INFLUX_LAKE_TEST_INFLUXD18") or shutil.which("influxd18") or str(BUILT / "influxd")
        how = "go install github.com/influxdata/influxdb/cmd/influxd@v1.8.10, and name it in INFLUX_LAKE_TEST_INFLUXD18"
    if not Path(binary).exists():
        pytest.skip(f"InfluxDB {name} is not installed: {how}")
    return binary


def influxdb2_binary() -> str:
    """The program of InfluxDB 2; skips where it is not installed."""
    binary = os.environ.get("INFLUX_LAKE_TEST_INFLUXD2") or shutil.which("influxd2") or str(BUILT / "influxd2")
    if not Path(binary).exists():
        pytest.skip("InfluxDB 2 is not installed: .ci/influxdb2 builds it; name it in INFLUX_LAKE_TEST_INFLUXD2")
    return binary


@contextmanager
def influxdb1(folder: Path, version: str = "1.8", *, more: str = "", port: int | None = None) -> Iterator[Server]:
    """A server without users.

    Args:
        folder: Its data.
        version: 1.6 or 1.8.
        more: Further lines of its configuration's `[http]` section, and sections behind it.
        port: Its port; a free one by default.
    """
    binary, port = influxdb1_binary(version), port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "influxdb.conf"
    file.write_text(_CONFIG.format(rpc=free_port(), port=port, folder=folder, more=more))
    url = f"http://127.0.0.1:{port}"
    options = {"type": "influxdb1", "host": url, "database": DATABASE}
    with _running([binary, "run", "-config", str(file)], url, folder) as process:
        server = Server(url, options, folder, process)
        if "auth-enabled" not in more:
            server.query(f'CREATE DATABASE "{DATABASE}"')
        yield server


@contextmanager
def influxdb2(folder: Path) -> Iterator[Server]:
    """A server with an organization, a bucket and a token."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    command = [
        influxdb2_binary(),
        "--http-bind-address",
        f"127.0.0.1:{port}",
        "--bolt-path",
        str(folder / "influxd.bolt"),
        "--sqlite-path",
        str(folder / "influxd.sqlite"),
        "--engine-path",
        str(folder / "engine"),
        "--reporting-disabled",
        "--no-tasks",
    ]
    with _running(command, url, folder) as process:
        server = Server(url, {"type": "influxdb2", "host": url, "org": ORG, "bucket": DATABASE}, folder, process)
        first = {"username": "u", "password": "a-password", "org": ORG, "bucket": DATABASE, "token": TOKEN}
        server.request("/api/v2/setup", json.dumps(first).encode())
        yield server


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _running(command: list[str], url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended: {(folder / 'log').read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=5):
                return True
        except OSError:
            return False

    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(answers, f"{command[0]} answers")
            yield process
        finally:
            process.terminate()
