"""A real InfluxDB 3 Core of the test's own, over a temporary folder, with its processing engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testbed.influxdb_servers import BUILT, DATABASE, free_port
from testbed.waiting import wait_until

VARIABLE = "INFLUX_LAKE_TEST_INFLUXDB3_BINARY"
_NODE = "node0"


def influxdb3_binary() -> Path:
    """The program of InfluxDB 3 Core; skips where it is not there."""
    named = os.environ.get(VARIABLE)
    found = named or shutil.which("influxdb3") or str(BUILT / "influxdb3" / "influxdb3")
    if not Path(found).exists():
        pytest.skip(f"InfluxDB 3 Core is not there: name its program, influxdb3, in {VARIABLE} (see CONTRIBUTING.md)")
    return Path(found)


@dataclass
class InfluxDB3Core:
    """A server with an empty database `telemetry`, and a token of its administrator.

    Attributes:
        folder: Its data, its plugins and its log.
        binary: Its program.
        options: More options of `influxdb3 serve`.
        environment: More variables of its process.
        has_tokens: Whether it asks who comes; without, it lets everybody do everything.
    """

    folder: Path
    binary: Path
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    has_tokens: bool = True
    token: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def plugin_dir(self) -> Path:
        return self.folder / "plugins"

    @property
    def log(self) -> str:
        """What it logged so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def cpu_seconds(self) -> float:
        """The CPU time that its process has used."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def start(self) -> None:
        """Start it, on the same port and with the same data as before, and wait until it answers."""
        self.plugin_dir.mkdir(parents=True, exist_ok=True)
        command = [
            str(self.binary),
            "serve",
            *("--node-id", _NODE, "--object-store", "file", "--data-dir", str(self.folder / "data")),
            *("--http-bind", f"127.0.0.1:{self.port}", "--plugin-dir", str(self.plugin_dir)),
            # Also what the variable VIRTUAL_ENV of a test's own process would say.
            *("--virtual-env-location", str(self.folder / "venv"), "--disable-telemetry-upload"),
            *(() if self.has_tokens else ("--without-auth",)),
            *self.options,
        ]
        # By the path it finds the Python that it was built with, unless that lies beside it.
        kept = {"PATH": os.defpath} | {name: os.environ[name] for name in ("HOME", "TZ") if name in os.environ}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**kept, **self.environment})
        wait_until(self._answers, f"{self.binary} answers", 120)

    def stop(self) -> None:
        """End it as a service's manager does."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a machine's end does."""
        self._end(kill=True)

    def write(self, lines: str, database: str = DATABASE, **query: str) -> None:
        """Write line protocol with times in nanoseconds; it is there when this returns."""
        asked = {"db": database, "precision": "nanosecond"} | query
        self.request("POST", "/api/v3/write_lp", lines.encode(), **asked)

    def query(self, sql: str, database: str = DATABASE) -> list[dict[str, Any]]:
        """The rows of a query, as JSON has them."""
        asked = json.dumps({"db": database, "q": sql, "format": "json"}).encode()
        found: list[dict[str, Any]] = json.loads(self.request("POST", "/api/v3/query_sql", asked, "application/json"))
        return found

    def request(
        self, method: str, path: str, body: bytes | None = None, kind: str = "text/plain", **query: str
    ) -> bytes:
        """Send a request as the administrator."""
        headers = {"Content-Type": kind, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        place = f"{self.url}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        request = urllib.request.Request(place, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from None

    def prepare(self) -> None:
        """Make the administrator's token and the database."""
        if self.has_tokens:
            made = json.loads(self.request("POST", "/api/v3/configure/token/admin"))
            self.token = made["token"]
        self.request("POST", "/api/v3/configure/database", json.dumps({"db": DATABASE}).encode(), "application/json")

    def run(self, *arguments: str) -> str:
        """Run a command of InfluxDB's own command line; what it prints."""
        variables = {"INFLUXDB3_HOST_URL": self.url, "PATH": os.environ["PATH"]}
        variables |= {"INFLUXDB3_AUTH_TOKEN": self.token} if self.token else {}
        done = subprocess.run(
            [str(self.binary), *arguments], capture_output=True, text=True, timeout=60, env=variables, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.binary} ended: {self.log[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                return True
        except urllib.error.HTTPError:
            # It asks who comes.
            return True
        except OSError:
            return False

    def _end(self, *, kill: bool) -> None:
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(60)


@contextmanager
def influxdb3_core(
    folder: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    has_tokens: bool = True,
) -> Iterator[InfluxDB3Core]:
    """A server for as long as the context lasts; skips where its program is not there.

    Args:
        folder: Its data.
        options: More options of `influxdb3 serve`.
        environment: More variables of its process.
        has_tokens: Whether it asks who comes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    server = InfluxDB3Core(folder, influxdb3_binary(), options, environment or {}, has_tokens)
    try:
        server.start()
        server.prepare()
        yield server
    finally:
        server.kill()
