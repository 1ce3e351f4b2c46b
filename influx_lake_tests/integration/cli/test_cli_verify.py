"""`influx-lake verify` and `influx-lake tail`, on a sandbox and with its faults."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, LAKE, CliLake

RANGE = ("--end", "2026-01-05")
DAY_1, DAY_2 = "2026-01-02T00:00:00Z/2026-01-03T00:00:00Z", "2026-01-03T00:00:00Z/2026-01-04T00:00:00Z"


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.fill("cpu", range(4))
        lake.fill("mem", range(2), points=10)
        lake.tell("replicate", "--all", *RANGE)
        yield lake


def test_an_equal_lake(lake: CliLake) -> None:
    result = lake.tell("verify", *RANGE)
    assert (result.code, result.out.splitlines()[-1]) == (0, "8 windows compared, all equal.")
    found = lake.tell("verify", "cpu", *RANGE, "--json").object
    [cpu] = found["measurements"]
    assert (found["equal"], cpu["windows"], cpu["source_rows"], cpu["lake_rows"]) == (True, 4, 400, 400)


def test_late_points_and_windows_that_were_never_loaded(lake: CliLake) -> None:
    lake.box.write("telemetry", f"cpu,host=late value=1i {FIRST_DAY_NS + DAY_NS + 1}")
    lake.fill("cpu", range(5, 6))
    result = lake.tell("verify", "--end", "2026-01-08", "--json")
    cpu, mem = result.object["measurements"]
    assert (result.code, result.object["equal"], mem["equal"]) == (1, False, True)
    assert cpu["differing"] == [
        {
            "window": DAY_1,
            "verdict": "behind",
            "source_rows": 101,
            "lake_rows": 100,
            "changed_columns": [],
            "explanation": "the lake lacks 1 row: load the window again",
        },
        {
            "window": "2026-01-06T00:00:00Z/2026-01-07T00:00:00Z",
            "verdict": "behind",
            "source_rows": 100,
            "lake_rows": 0,
            "changed_columns": [],
            "explanation": "the lake lacks 100 rows: load the window again",
        },
    ]
    out = lake.tell("verify", "cpu", "--start", "2026-01-02", "--end", "2026-01-03").out
    assert f"✗ cpu {DAY_1} (source 101, lake 100): the lake lacks 1 row: load the window again" in out
    assert lake.tell("verify", "cpu", "--start", "2026-01-03", *RANGE).code == 0


def test_history_that_a_server_no_longer_serves(lake: CliLake) -> None:
    lake.box.faults.update(hidden_before=FIRST_DAY_NS + 2 * DAY_NS + DAY_NS // 2)
    result = lake.tell("verify", "cpu", *RANGE, "--json")
    differing = result.object["measurements"][0]["differing"]
    assert (result.code, [each["verdict"] for each in differing]) == (1, ["shrank"] * 3)
    assert differing[2] == {
        "window": DAY_2,
        "verdict": "shrank",
        "source_rows": 50,
        "lake_rows": 100,
        "changed_columns": [],
        "explanation": "the source lost 50 rows that the lake has (on_shrink: fail)",
    }


@pytest.mark.slow
def test_rows_that_are_out_of_sight_for_a_moment_are_looked_for_again(lake: CliLake) -> None:
    lake.box.faults.update(missing=[(FIRST_DAY_NS, FIRST_DAY_NS + DAY_NS // 2)], missing_queries=1)
    assert lake.tell("verify", "cpu", *RANGE).code == 0
    assert lake.box.faults.missing_queries == 0


@pytest.mark.slow
def test_a_history_that_is_too_long_for_one_query(lake: CliLake) -> None:
    lake.box.faults.update(file_limit=90)
    assert lake.tell("verify", "cpu", *RANGE).code == 0


def test_a_server_that_is_away_is_not_an_equal_lake(lake: CliLake) -> None:
    lake.box.faults.update(unavailable=True)
    assert lake.tell("verify", "cpu", *RANGE).code == 1


@pytest.mark.slow
def test_the_open_window_is_tailed(lake: CliLake) -> None:
    def write(host: str) -> None:
        now = time.time_ns()
        lake.box.write("telemetry", "\n".join(f"cpu,host={host} value={n}i {now - n}" for n in range(10)))

    lake.write_config(LAKE.replace("cpu: {{}}", "cpu: {{tail: {{lag: 0}}}}"))
    before = lake.rows()
    write("a")
    result = lake.tell("tail", "cpu", "--json").object
    assert (result["rows"], result["measurements"][0]["table"]) == (10, "telemetry.cpu")
    assert lake.rows() == before + 10
    assert lake.tell("tail", "--all", "--json").object["rows"] == 0
    write("b")
    assert "0 new rows" in lake.tell("tail", "mem").out
    assert "✓ cpu  10 new rows until" in lake.tell("tail", "--all").out
    assert lake.tell("tail").code == 2


@pytest.mark.slow
def test_a_measurement_that_cannot_be_compared_does_not_hide_the_others(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("cpu: {{}}", "gone: {{}}\n  cpu: {{}}"))
    result = lake.tell("verify", *RANGE, "--json")
    assert (result.code, result.object["equal"]) == (1, False)
    assert [each["measurement"] for each in result.object["measurements"]] == ["cpu", "mem"]
    assert [each["measurement"] for each in result.object["failures"]] == ["gone"]
    result = lake.tell("verify", *RANGE)
    assert result.code == 1
    assert "1 measurement could not be compared." in result.err
    assert "windows compared, all equal." in result.out


def test_windows_that_are_equal_value_by_value_are_proved_from_then_on(lake: CliLake) -> None:
    result = lake.tell("verify", "cpu", "--values", *RANGE)
    assert result.code == 0
    assert "cpu: 4 windows proved, value by value." in result.out
    [cpu] = lake.tell("verify", "cpu", "--values", *RANGE, "--json").object["measurements"]
    assert cpu["proved"] == ["2026-01-01T00:00:00Z/2026-01-05T00:00:00Z"]
    assert (cpu["unproved"], cpu["proof_failure"]) == ([], None)
    kept = lake.catalog.load_table(("telemetry", "cpu")).properties["influx-lake.proved"]
    [whole] = json.loads(kept)[""]["ranges"]
    assert (whole["start"], whole["end"], whole["rows"]) == ("2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", 400)
