"""Measurements that share a table, from lake.yaml to the rows: wide and long, loaded, told of, verified and checked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from influx_lake.config import load_lake
from influx_lake.rollups.window import roll_up_window
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import FIRST_DAY_NS, CliLake

WIDE = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
defaults: {{metadata_columns: [measurement]}}
measurements:
  cpu: {{table: host_metrics}}
  mem: {{table: host_metrics, write: {{mode: upsert}}}}
"""
LONG = WIDE.replace(
    "{{metadata_columns: [measurement]}}", "{{layout: {{long: {{booleans: true, texts: true}}}}}}"
).replace("table: host_metrics", "lag: 10m")


def rows(lake: CliLake, table: str) -> list[dict[str, Any]]:
    return lake.catalog.load_table(("telemetry", table)).scan().to_arrow().to_pylist()


@pytest.fixture
def filled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.fill("cpu", range(2), 10)
        lake.fill("mem", range(1), 5)
        yield lake


@pytest.mark.slow
def test_two_measurements_in_one_wide_table(filled: CliLake) -> None:
    filled.write_config(WIDE)
    result = filled.tell("replicate", "--all", "--end", "2026-01-03")
    assert result.code == 0, result.err
    held = rows(filled, "host_metrics")
    assert sorted({row["measurement"] for row in held}) == ["cpu", "mem"]
    assert len(held) == 25
    again = filled.tell("replicate", "telemetry.host_metrics.cpu", "--end", "2026-01-03")
    assert again.code == 0, again.err
    assert len(rows(filled, "host_metrics")) == 25
    status = filled.tell("status", "--json").object["measurements"]
    assert [(each["measurement"], each["rows"]) for each in status] == [("cpu", 20), ("mem", 5)]
    verified = filled.tell("verify", "--end", "2026-01-03", "--profile")
    assert verified.code == 0, verified.out + verified.err
    checked = filled.tell("check")
    assert checked.code == 0, checked.out + checked.err


def test_all_measurements_in_one_long_table(filled: CliLake) -> None:
    filled.write_config(LONG)
    result = filled.tell("replicate", "--all", "--end", "2026-01-03")
    assert result.code == 0, result.err
    held = rows(filled, "all_metrics")
    assert len(held) == 25
    assert {tuple(row) for row in held} == {
        ("time", "measurement", "tags", "metric_name", "metric_value", "value_boolean", "value_string")
    }
    assert held[0]["tags"] == [("host", "h0")]
    assert {row["metric_name"] for row in held} == {"value"}
    assert sorted(row["metric_value"] for row in held if row["measurement"] == "mem") == [0, 1, 2, 3, 4]
    assert filled.tell("verify", "--end", "2026-01-03", "--profile").code == 0
    status = filled.tell("status", "--json").object["measurements"]
    assert [(each["measurement"], each["rows"]) for each in status] == [("cpu", 20), ("mem", 5)]


def test_a_roll_up_is_computed_of_the_measurements_rows(filled: CliLake) -> None:
    filled.write_config(
        WIDE.replace("{{table: host_metrics}}", "{{table: host_metrics, rollups: {{daily: {{every: 1d}}}}}}")
    )
    assert filled.tell("replicate", "--all", "--end", "2026-01-03").code == 0
    [cpu, _] = load_lake(filled.config).measurements
    days = cpu.scheme.windows(cpu.scheme.start, cpu.scheme.start + timedelta(days=2))
    computed = [roll_up_window(filled.catalog, cpu, cpu.rollups[0], day, run_id="r").rows for day in days]
    assert computed == [3, 3], "of three hosts"
    found = rows(filled, "host_metrics_daily")
    assert sum(row["value_count"] for row in found) == 20


@pytest.mark.slow
def test_late_points_are_seen_and_loaded_again(filled: CliLake) -> None:
    filled.write_config(LONG)
    assert filled.tell("replicate", "--all", "--end", "2026-01-03").code == 0
    filled.box.write("telemetry", f'cpu,host=late value=1i,name="x",up=true {FIRST_DAY_NS + 1000}')
    verified = filled.tell("verify", "--end", "2026-01-03", "--json")
    assert verified.code == 1
    [cpu, mem] = verified.object["measurements"]
    assert (cpu["source_rows"], cpu["lake_rows"], mem["equal"]) == (23, 20, True)
    assert filled.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    late = [row for row in rows(filled, "all_metrics") if row["tags"] == [("host", "late")]]
    told = [(row["metric_name"], row["metric_value"], row["value_boolean"], row["value_string"]) for row in late]
    assert sorted(told) == [("name", None, None, "x"), ("up", None, True, None), ("value", 1.0, None, None)]
    assert filled.tell("verify", "--end", "2026-01-03", "--profile").code == 0


def test_a_measurement_that_leaves_the_lake_leaves_its_rows(filled: CliLake) -> None:
    filled.write_config(WIDE)
    assert filled.tell("replicate", "--all", "--end", "2026-01-03").code == 0
    filled.write_config("".join(line for line in WIDE.splitlines(keepends=True) if "mem:" not in line))
    result = filled.tell("replicate", "cpu", "--end", "2026-01-03")
    assert result.code == 0, result.err
    assert len(rows(filled, "host_metrics")) == 25
    [status] = filled.tell("status", "--json").object["measurements"]
    assert status["rows"] == 20


def test_columns_and_rows_are_shown_as_the_long_table_has_them(filled: CliLake) -> None:
    filled.write_config(LONG)
    shown = filled.tell("preview", "cpu", "--window", "2026-01-01", "--rows", "1")
    assert shown.code == 0, shown.err
    assert "metric_name" in shown.out
    schema = filled.tell("schema", "cpu")
    assert schema.code == 0, schema.err
    assert "metric_value" in schema.out


def test_another_layout_is_another_definition_of_each_measurement(filled: CliLake) -> None:
    filled.write_config(LONG)
    assert filled.tell("replicate", "--all", "--end", "2026-01-03").code == 0
    filled.write_config(LONG.replace("texts: true", "integers: true"))
    assert filled.tell("replicate", "mem", "--end", "2026-01-03").code == 0
    planned = filled.tell("plan", "--changed", "--json").object["measurements"]
    assert [(each["measurement"], len(each["windows"])) for each in planned if each["windows"]] == [("cpu", 2)]


@pytest.mark.parametrize("config", [WIDE, LONG], ids=["wide", "long"])
def test_tails_add_what_is_new_of_their_measurement(filled: CliLake, config: str) -> None:
    table = "host_metrics" if config is WIDE else "all_metrics"
    tail = "{{tail: {{lag: 0}}, "
    filled.write_config(config.replace("defaults: {{", f"defaults: {tail}"))
    for name in ("cpu", "mem", "cpu"):
        now = time.time_ns()
        filled.box.write("telemetry", "\n".join(f"{name},host=t value={n}i {now - 2000 * n}" for n in range(10)))
        result = filled.tell("tail", name, "--json")
        assert (result.code, result.object["rows"]) == (0, 10), result.err
    assert filled.tell("tail", "--all", "--json").object["rows"] == 0
    counted = Counter(row["measurement"] for row in rows(filled, table))
    assert counted == {"cpu": 20, "mem": 10}
