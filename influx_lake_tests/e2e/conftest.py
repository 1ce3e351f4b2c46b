from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.e2e.dagster_site import DagsterSite
from influx_lake_tests.e2e.postgres import postgres_server
from influx_lake_tests.e2e.telemetry import fill, write_lake


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        fill(sandbox)
        yield sandbox


@pytest.fixture(scope="module")
def site(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterSite]:
    folder: Path = tmp_path_factory.mktemp("site")
    write_lake(folder, sandbox)
    with DagsterSite(folder, {"INFLUXDB3_TOKEN": sandbox.token or ""}) as site:
        yield site


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with postgres_server() as address:
        yield address
