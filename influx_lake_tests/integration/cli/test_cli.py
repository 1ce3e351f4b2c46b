"""The commands on a lake that works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import LAKE, CliLake


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.fill("cpu", range(4))
        lake.fill("mem", range(2), points=10)
        yield lake


def test_replicate_a_range(lake: CliLake) -> None:
    result = lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-03", "--json").object
    assert (result["measurement"], result["table"], result["rows"]) == ("cpu", "telemetry.cpu", 200)
    first, second = result["windows"]
    assert first["window"] == "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"
    assert (first["rows"], first["previous_rows"], first["files"]) == (100, 0, 1)
    assert first["bytes"] == sum(path.stat().st_size for path in lake.data_files()) - second["bytes"]
    assert str(lake.catalog.load_table("telemetry.cpu").current_snapshot().snapshot_id) == second["snapshot_id"]
    assert lake.rows() == 200


def test_again_and_again_leaves_the_same_rows(lake: CliLake) -> None:
    for previous in (0, 100, 100):
        result = lake.tell("replicate", "cpu", "--start", "2026-01-02", "--end", "2026-01-03", "--json").object
        assert [(each["rows"], each["previous_rows"]) for each in result["windows"]] == [(100, previous)]
    assert lake.rows() == 100


def test_without_a_range_only_what_is_missing(lake: CliLake) -> None:
    lake.tell("replicate", "cpu", "--start", "2026-01-02", "--end", "2026-01-04")
    before = lake.metadata()
    days = (datetime.now(UTC) - timedelta(minutes=10) - datetime(2026, 1, 1, tzinfo=UTC)).days
    assert lake.tell("plan", "cpu", "--json").object["windows"] == days - 2
    assert lake.tell("plan", "-m", "cpu", "--all", "--json").object["windows"] == days
    result = lake.tell("replicate", "cpu", "--missing-only", "--end", "2026-01-05", "--json").object
    assert [each["window"][:10] for each in result["windows"]] == ["2026-01-01", "2026-01-04"]
    assert lake.rows() == 400
    assert lake.metadata() != before


def test_a_dry_run_loads_nothing(lake: CliLake) -> None:
    result = lake.tell("replicate", "cpu", "--end", "2026-01-03", "--dry-run", "--json").object
    assert result["windows"] == [
        "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z",
        "2026-01-02T00:00:00Z/2026-01-03T00:00:00Z",
    ]
    assert "2 windows to load" in lake.tell("replicate", "cpu", "--end", "2026-01-03", "--dry-run").out
    assert not lake.catalog.table_exists("telemetry.cpu")


def test_other_windows_than_the_partitions(lake: CliLake) -> None:
    result = lake.tell(
        "replicate", "cpu", "--start", "2026-01-01T06:00", "--end", "2026-01-02", "--every", "12h", "--json"
    )
    assert [(each["window"], each["rows"]) for each in result.object["windows"]] == [
        ("2026-01-01T06:00:00Z/2026-01-01T18:00:00Z", 50),
        ("2026-01-01T18:00:00Z/2026-01-02T00:00:00Z", 25),
    ]


def test_several_measurements(lake: CliLake) -> None:
    result = lake.tell("replicate", "--all", "--end", "2026-01-03", "--json").object
    assert {each["measurement"]: each["rows"] for each in result["measurements"]} == {"cpu": 200, "mem": 20}
    assert result["rows"] == 220
    lines = lake.tell("replicate", "cpu", "mem", "--end", "2026-01-02").out.splitlines()
    assert lines[0].startswith("✓ cpu 2026-01-01T00:00:00Z/2026-01-02T00:00:00Z  100 rows (as before) in ")
    assert lines[0].count("rows/s") == 1
    assert lines[2] == "2 windows, 110 rows."


def test_the_open_window_stays_due(lake: CliLake) -> None:
    """Loading today loads all that there is, and today is still to be loaded tomorrow."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lake.box.write("telemetry", f"cpu,host=h value=1i {int(midnight.timestamp())}", "s")
    result = lake.tell(
        "replicate", "cpu", "--start", f"{midnight:%Y-%m-%d}", "--end", f"{midnight:%Y-%m-%d}T00:00:01", "--json"
    )
    assert [each["rows"] for each in result.object["windows"]] == [1]
    coverage = lake.catalog.load_table("telemetry.cpu").properties["influx-lake.coverage"]
    assert datetime.fromisoformat(coverage.partition("/")[2]) <= datetime.now(UTC)


def test_status(lake: CliLake) -> None:
    assert "no table yet" in lake.tell("status").out
    lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-04")
    cpu, mem = lake.tell("status", "--json").object["measurements"]
    assert (cpu["windows_loaded"], cpu["rows"], cpu["watermark"]) == (3, 300, "2026-01-04T00:00:00Z")
    assert cpu["windows_expected"] == 3 + len(cpu["windows_missing"])
    assert cpu["last_snapshot_id"] == str(lake.catalog.load_table("telemetry.cpu").current_snapshot().snapshot_id)
    assert (mem["table_exists"], mem["windows_loaded"], mem["rows"], mem["watermark"]) == (False, 0, 0, None)
    assert [each["measurement"] for each in lake.tell("status", "mem", "--json").object["measurements"]] == ["mem"]


def test_check_finds_everything_in_order_and_leaves_no_trace(lake: CliLake) -> None:
    lake.tell("replicate", "cpu", "--end", "2026-01-02")
    files = {path: path.stat().st_size for path in (lake.folder / "warehouse").rglob("*")}
    result = lake.tell("check", "--json").object
    assert result["ok"] is True
    assert all(each["ok"] for each in result["checks"])
    kinds = ["config", "source", "measurement", "measurement", "catalog", "table"]
    assert [each["name"] for each in result["checks"]] == [*kinds, *["permission"] * 11]
    assert "InfluxDB 3 Core" in result["checks"][1]["detail"]
    table = lake.catalog.load_table("telemetry.cpu")
    assert result["checks"][5]["found"] == {
        "format_version": 2,
        "spec": "day(time)",
        "owner": table.properties["influx-lake.owner"],
        "location": table.location(),
    }
    assert [each["found"]["permission"] for each in result["checks"][6:]] == [
        "list namespaces",
        "see namespace",
        "list tables",
        "write files",
        "read files",
        "list files",
        "delete files",
        "create table",
        "load table",
        "commit",
        "drop table",
    ]
    assert lake.catalog.list_namespaces() == [("telemetry",)]
    assert {path: path.stat().st_size for path in (lake.folder / "warehouse").rglob("*")} == files


def test_check_warns_of_a_token_in_the_file(lake: CliLake) -> None:
    lake.config.write_text(lake.config.read_text().replace("${file:token}", str(lake.box.token)))
    result = lake.tell("check", "--json").object
    assert result["ok"] is True
    assert "a secret is written here" in result["warnings"][0]
    assert f"! {lake.config}:2: sources.default.token: " in lake.tell("check").out


def test_check_tells_of_transforms_that_the_columns_do_not_allow(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("cpu: {{}}", "cpu: {{computed: {{more: valu + 1}}}}"))
    result = lake.tell("check", "--json")
    assert result.code == 1
    [failed] = [each for each in result.object["checks"] if not each["ok"]]
    assert failed["subject"] == "measurement cpu"
    assert "'valu + 1' names valu, and no column has this name (did you mean value?)" in failed["detail"]


def test_windows_of_another_definition_are_planned_and_loaded_again(lake: CliLake) -> None:
    def computing(text: str) -> None:
        lake.write_config(LAKE.replace("cpu: {{}}", f"cpu: {{{{computed: {{{{more: {text}}}}}}}}}"))

    computing("value + 1")
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    assert lake.tell("plan", "cpu", "--changed", "--json").object["windows"] == 0
    computing("value + 2")
    assert lake.tell("plan", "cpu", "--changed", "--json").object["windows"] == 2
    assert "loaded under another definition: 2 windows" in lake.tell("status", "cpu").out
    assert lake.tell("replicate", "cpu", "--changed", "--start", "2026-01-02", "--end", "2026-01-03").code == 0
    [left] = lake.tell("plan", "cpu", "--changed", "--json").object["measurements"]
    assert left["windows"] == ["2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"]
    assert lake.tell("replicate", "cpu", "--changed").code == 0
    rows = lake.catalog.load_table("telemetry.cpu").scan().to_arrow().to_pylist()
    assert {row["more"] - row["value"] for row in rows} == {2}
    assert lake.tell("replicate", "cpu", "--changed", "--every", "1h").code == 2


def test_patterns_are_discovered(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("mem: {{}}", '"m*": {{namespace: metrics}}'))
    assert lake.tell("replicate", "mem", "--end", "2026-01-03").code == 2
    checked = lake.tell("check", "--json").object["checks"]
    assert next(each for each in checked if each["name"] == "pattern")["remedy"] == "Take them in: influx-lake discover"
    result = lake.tell("discover", "--json").object
    assert result["sources"]["default"] == {
        "measurements": ["cpu", "mem"],
        "dropped": [],
        "matched": [{"measurement": "mem", "pattern": "m*", "table": "metrics.mem", "start": "2026-01-01T00:00:00Z"}],
    }
    assert lake.tell("replicate", "mem", "--end", "2026-01-03", "--json").object["rows"] == 20
    assert "1 of them by patterns" in lake.tell("discover").out


def test_init_writes_a_lake_that_works(lake: CliLake, tmp_path: Path) -> None:
    lake.box.write("telemetry", 'o\'brien\\ "x" value=1 1767225600', "s")
    config = tmp_path / "new" / "lake.yaml"
    config.parent.mkdir()
    options = ["--host", lake.box.url, "--database", "telemetry", "--token-file", str(tmp_path / "token")]
    assert run(["init", *options, "--start", "2025-12-01", "-c", str(config), "--json"]) == 0
    captured = json.loads(lake.capsys.readouterr().out)
    assert captured["measurements"] == ["cpu", "mem", 'o\'brien "x"']
    assert str(lake.box.token) not in config.read_text()
    assert [measurement.name for measurement in load_lake(config).measurements] == captured["measurements"]
    assert run(["replicate", "--all", "--start", "2026-01-01", "--end", "2026-01-02", "-c", str(config), "--json"]) == 0
    assert json.loads(lake.capsys.readouterr().out)["rows"] == 111
    text = config.read_text()
    assert run(["init", *options, "-c", str(config)]) == 2
    assert "--force" in lake.capsys.readouterr().err
    assert run(["init", *options, "-c", str(config), "--force"]) == 0
    assert config.read_text() == text.replace("2025-12-01", f"{datetime.now(UTC):%Y}-01-01")


def test_init_takes_the_token_from_the_variable_it_names(
    lake: CliLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "new.yaml"
    options = ["init", "--host", lake.box.url, "--database", "telemetry", "--token-env", "MY_TOKEN", "-c", str(config)]
    monkeypatch.delenv("MY_TOKEN", raising=False)
    assert run(options) == 2
    assert "the environment variable MY_TOKEN is not set" in lake.capsys.readouterr().err
    monkeypatch.delenv("INFLUXDB3_TOKEN", raising=False)
    assert run([*options[:5], "-c", str(config)]) == 1
    assert "Set $INFLUXDB3_TOKEN, or name another variable with --token-env" in lake.capsys.readouterr().err
    assert not config.exists()
    monkeypatch.setenv("MY_TOKEN", str(lake.box.token))
    assert run(options) == 0
    assert "${MY_TOKEN}" in config.read_text()
    assert str(lake.box.token) not in config.read_text()


@pytest.mark.parametrize("command", ["plan", "status"])
def test_a_measurement_that_is_not_in_the_lake(command: str, lake: CliLake) -> None:
    result = lake.tell(command, "cpuu")
    assert result.code == 2
    assert "has no measurement cpuu (did you mean cpu?)" in result.err
