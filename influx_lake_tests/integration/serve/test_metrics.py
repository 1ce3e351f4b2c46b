"""`/metrics` of the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.metrics import collector
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.lineage.openlineage_server import lineage_server
from influx_lake_tests.integration.serve.served_lake import TOKEN, ServedLake, followed
from testbed.waiting import wait_until

DAYS = {"measurements": ["cpu"], "start": "2026-01-01", "end": "2026-01-03"}
LOADED = 'influx_lake_loads_total{measurement="cpu"} 2.0'
WRITTEN = 'iceberg_records_written_total{namespace="telemetry",table="cpu"}'


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[ServedLake]:
    with Sandbox() as box:
        lake = ServedLake(tmp_path, box)
        lake.fill("cpu", range(3))
        yield lake


@pytest.mark.slow
def test_a_scrape_tells_what_the_service_loaded(lake: ServedLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "FRESH_SECONDS", 0.0)
    with lineage_server() as server:
        lake.write(openlineage=f"{{transport: {{type: http, url: '{server.url}'}}}}")
        with lake.client() as client:
            assert f"{WRITTEN} 0.0" in client.get("/metrics").text
            followed(client, client.post("/v1/windows", json=DAYS))
            # What no commit tells is kept some moments later.
            wait_until(lambda: LOADED in client.get("/metrics").text, "the loads of the service")
            found = client.get("/metrics")
            opened = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert found.headers["content-type"].startswith("text/plain"), found.text
    assert f"{WRITTEN} 20.0" in found.text
    assert LOADED in found.text
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    parents = {each["run"]["facets"]["parent"]["job"]["name"] for each in server.of("telemetry.cpu.load", "COMPLETE")}
    assert parents == {"influx-lake serve"}


def test_a_scrape_soon_after_another_reads_nothing(lake: ServedLake) -> None:
    lake.write()
    with lake.client() as client:
        first = client.get("/metrics").text
        followed(client, client.post("/v1/windows", json=DAYS))
        assert client.get("/metrics").text == first


def test_it_needs_the_token(lake: ServedLake) -> None:
    lake.write(serve=f"{{port: 0, tokens: ['{TOKEN}']}}")
    with lake.client() as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
