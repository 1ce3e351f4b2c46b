"""`influx-lake check` tells of each table that is there whether loads would be refused, in the words of the load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.rollups.window import roll_up_window

LAKE = """\
sources: {{default: {{type: line_protocol, path: ./{points}, database: t}}}}
catalog: {{type: sql, uri: "sqlite:///c.db", warehouse: ./w}}
defaults: {{namespace: telemetry, partition: {{start: 2025-06-01}}, lag: 0s}}
measurements:
  cpu: {{rollups: {{hourly: {{every: 1h}}}}, on_type_conflict: quarantine}}
  mem: {{table: shared, metadata_columns: [measurement]}}
  disk: {{table: shared, metadata_columns: [measurement]}}
"""
RANGE = ("--start", "2025-06-01", "--end", "2025-06-02")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for points in ("points.lp", "others.lp"):
        lines = [f"{name},host=a v=1 1748736000000000000\n" for name in ("cpu", "mem", "disk")]
        (tmp_path / points).write_text("".join(lines))
    return of_points(tmp_path / "lake.yaml", "points.lp")


def of_points(config: Path, points: str) -> Path:
    config.write_text(LAKE.format(points=points))
    return config


def catalog_of(config: Path) -> Catalog:
    return open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{config.parent}/c.db", "warehouse": "./w"})


def load(config: Path) -> None:
    """Load all measurements, and the roll-up of one."""
    assert run(["replicate", "--all", "-c", str(config), *RANGE]) == 0
    cpu = load_lake(config).find("cpu")
    roll_up_window(catalog_of(config), cpu, cpu.rollups[0], cpu.scheme.window_at(cpu.scheme.start), run_id="test")


def tables(config: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    run(["check", "-c", str(config), "--json"])
    captured = json.loads(capsys.readouterr().out)["checks"]
    return {each["subject"].removeprefix("table "): each for each in captured if each["name"] == "table"}


def test_each_table_is_looked_at_once_roll_ups_too(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(config)
    found = tables(config, capsys)
    assert list(found) == ["telemetry.cpu", "telemetry.cpu_hourly", "telemetry.shared"]
    assert all(each["ok"] for each in found.values())
    assert found["telemetry.cpu_hourly"]["found"]["owner"].startswith("rollup://")


def test_a_table_of_another_source_is_refused_as_loads_refuse_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(config)
    of_points(config, "others.lp")
    found = tables(config, capsys)
    for table in ("telemetry.cpu", "telemetry.shared"):
        assert not found[table]["ok"]
        assert f"the table {table} holds the rows" in found[table]["detail"]
        assert "adopt: true" in found[table]["remedy"]
        assert found[table]["found"]["owner"].endswith("points.lp#t")
    assert found["telemetry.cpu_hourly"]["ok"]
    assert run(["replicate", "cpu", "-c", str(config), *RANGE]) == 1


def test_a_table_that_others_filled_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = pa.table({"time": pa.array([0], pa.timestamp("us", "UTC")), "v": [1.0]})
    catalog = catalog_of(config)
    catalog.create_namespace("telemetry")
    for name in ("cpu", "cpu_hourly", "cpu__quarantine"):
        catalog.create_table(("telemetry", name), rows.schema).append(rows)
    found = tables(config, capsys)
    assert list(found) == ["telemetry.cpu", "telemetry.cpu__quarantine", "telemetry.cpu_hourly"]
    for each in found.values():
        assert not each["ok"]
        assert "holds rows that were not loaded by influx-lake" in each["detail"]
