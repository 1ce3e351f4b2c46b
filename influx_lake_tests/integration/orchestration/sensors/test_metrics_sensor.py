"""The sensor that hands metrics over."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import LAKE, CliLake
from testbed.http_server import http_server


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.fill("cpu", range(2))
        yield lake


def test_metrics_are_handed_over_and_a_gateway_that_is_away_is_reported(
    lake: CliLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[bytes] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.path == "/metrics/job/influx_lake/lake/plant"
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    lake.write_config(f'{LAKE}name: plant\nmetrics: {{{{push: "${{{{GATEWAY}}}}", text_file: lake.prom}}}}\n')
    monkeypatch.setenv("GATEWAY", "http://lake:sesame@127.0.0.1:1")
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-03").code == 0
    definitions = build_definitions(load_lake(lake.config))
    sensor = definitions.resolve_sensor_def("plant_metrics")

    def tick() -> str | None:
        resources = definitions.get_repository_def().get_top_level_resources()
        with dg.build_sensor_context(
            resources={"plant_iceberg_catalog": resources["plant_iceberg_catalog"]}
        ) as context:
            return sensor.evaluate_tick(context).skip_message

    with pytest.raises(dg.Failure, match=r"the metrics were not taken by http://127\.0\.0\.1:1") as caught:
        tick()
    assert "sesame" not in str(caught.value)
    assert 'records_written_total{namespace="telemetry",table="cpu"} 200.0' in (lake.folder / "lake.prom").read_text()
    with http_server(Gateway) as url:
        monkeypatch.setenv("GATEWAY", url)
        assert "delivered to" in str(tick())
    assert b'records_written_total{namespace="telemetry",table="cpu"} 200.0' in got[0]
