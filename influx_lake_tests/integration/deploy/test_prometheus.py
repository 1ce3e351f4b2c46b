"""Alert rules and dashboard: they speak of metrics that there are, and Prometheus' own tool takes them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from influx_lake.metrics.families import FAMILIES, Kind
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import CliLake

DEPLOY = Path(__file__).parents[3] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "influx_lake.json"
_METRIC = re.compile(r"\b(?:iceberg|influx_lake)_\w+")
_VARIABLES = {"$__rate_interval": "5m", "$namespace": ".*", "$table": ".*"}


def samples() -> set[str]:
    """The names of all samples that a scrape may have."""
    ends = {Kind.HISTOGRAM: ("_bucket", "_count", "_sum")}
    return {f"{family.full_name}{end}" for family in FAMILIES for end in ends.get(family.kind, ("",))}


def alert_expressions() -> list[str]:
    rules = yaml.safe_load(ALERTS.read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = os.environ.get("INFLUX_LAKE_TEST_PROMTOOL") or shutil.which("promtool")
    if not found:
        pytest.skip("no promtool: it comes with Prometheus")
    return found


def passes(*command: str, given: str = "") -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("expressions", [alert_expressions, dashboard_expressions])
def test_they_speak_of_metrics_that_there_are(expressions: Any) -> None:
    named = {name for text in expressions() for name in _METRIC.findall(text)}
    assert named - samples() == set()
    assert len(named) > 10


def test_the_dashboards_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.mark.servers
def test_the_rules_and_their_tests(promtool: str) -> None:
    passes(promtool, "check", "rules", str(ALERTS))
    passes(promtool, "test", "rules", str(ALERTS.with_name("alerts_test.yml")))


@pytest.mark.servers
def test_the_dashboards_queries(promtool: str, tmp_path: Path) -> None:
    texts = dashboard_expressions()
    for variable, value in _VARIABLES.items():
        texts = [text.replace(variable, value) for text in texts]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(texts)]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    passes(promtool, "check", "rules", str(path))


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.fill("cpu", range(2))
        yield lake


@pytest.mark.servers
def test_a_scrape_is_as_prometheus_wants_it(lake: CliLake, promtool: str) -> None:
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-03").code == 0
    passes(promtool, "check", "metrics", given=lake.tell("metrics").out)
