"""A lake that is served: a sandbox, a lake.yaml, and the service in this process or in one of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi.testclient import TestClient

from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake.serve.app import create_app
from influx_lake.serve.service import Service
from influx_lake.serve.work.worker_threads import WorkerThreads
from testbed.waiting import wait_until

DAY_NS = 86_400 * 10**9
FIRST_DAY_NS = 1_767_225_600 * 10**9  # 2026-01-01
TOKEN = "token-of-the-service-1234567890"
LAKE = """\
sources:
  default: {{host: "{host}", database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
measurements: {measurements}
serve: {serve}
"""
ENDS = {"done", "failed", "canceled"}


@dataclass
class ServedLake:
    """The lake, and ways to its service."""

    folder: Path
    box: Sandbox

    @property
    def config(self) -> Path:
        return self.folder / "lake.yaml"

    def write(self, measurements: str = "{cpu: {}}", serve: str = "{port: 0}", **more: str) -> None:
        text = LAKE.format(host=self.box.url, measurements=measurements, serve=serve)
        self.config.write_text(text + "".join(f"{name}: {value}\n" for name, value in more.items()))
        (self.folder / "token").write_text(str(self.box.token))

    def fill(self, measurement: str, days: range, points: int = 10) -> None:
        """Points of some days of 2026."""
        step = DAY_NS // points // 1000 * 1000
        times = (FIRST_DAY_NS + day * DAY_NS + number * step for day in days for number in range(points))
        lines = [f"{measurement},host=h{number % 3} value={number}i {time}" for number, time in enumerate(times)]
        self.box.write("telemetry", "\n".join(lines))

    def rows(self, table: str = "telemetry.cpu") -> int:
        lake = load_lake(self.config)
        found = open_catalog(lake.catalog.name, lake.catalog.properties()).load_table(table)
        return int(found.scan().to_arrow().num_rows)

    @contextmanager
    def client(self, *, working: bool = True) -> Iterator[TestClient]:
        """The service in this process."""
        service = Service(load_lake(self.config))
        workers = service.workers = WorkerThreads(service)
        if working:
            workers.start()
        try:
            with TestClient(create_app(service), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
                yield client
        finally:
            workers.stop(10)
            service.close()

    @contextmanager
    def process(self, *arguments: str, **environment: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
        """The service in a process of its own, and a client of it; it is ended by SIGTERM unless it ended before."""
        with start(self.config, *arguments, **environment) as (url, child), httpx.Client(base_url=url) as client:
            yield client, child


@contextmanager
def start(config: Path, *arguments: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`influx-lake serve`, with its address; what it logs is in `serve.log` beside the lake.yaml."""
    import os

    with (config.parent / "serve.log").open("a") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "influx_lake.cli", "serve", "--json", *arguments, "-c", str(config)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
        )
        try:
            assert child.stdout is not None
            message = "".join(iter(child.stdout.readline, "}\n")) + "}"
            yield json.loads(message)["url"], child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
            child.wait(30)


def followed(client: httpx.Client, answer: httpx.Response, seconds: float = 60) -> dict[str, Any]:
    """What became of a request, when it has ended."""
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = {}

    def is_ended() -> bool:
        found.update(client.get(answer.headers["location"]).json())
        return found["state"] in ENDS

    wait_until(is_ended, "the request ends", seconds)
    return found
