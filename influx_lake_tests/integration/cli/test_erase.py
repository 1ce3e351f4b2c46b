"""Rows are erased from the command line, and do not come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import LAKE, CliLake

ERASE = ("erase", "-m", "cpu", "--where", "host = 'h1'")


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.fill("cpu", range(2), 30)
        assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
        yield lake


def hosts(lake: CliLake) -> set[str]:
    return {host for path in lake.data_files() for host in pq.read_table(path, columns=["host"])["host"].to_pylist()}


def loaded_again(lake: CliLake) -> int:
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    verified = lake.tell("verify", "cpu", "--profile", "--end", "2026-01-03")
    assert verified.code == 0, verified.out
    assert "h1" not in hosts(lake)
    return lake.rows()


def test_erased_rows_do_not_come_back(lake: CliLake) -> None:
    dry = lake.tell(*ERASE, "--dry-run", "--json").object
    assert (dry["dry_run"], dry["erased"][0]["rows"]) == (True, 20)
    assert hosts(lake) == {"h0", "h1", "h2"}
    result = lake.tell(*ERASE)
    assert result.code == 0
    assert "telemetry.cpu: 20 rows erased, 2 files rewritten, 2 snapshots dropped" in result.out
    assert """add to the measurement in lake.yaml: erased: [{where: "host = 'h1'"}]""" in result.out
    assert hosts(lake) == {"h0", "h2"}
    assert loaded_again(lake) == 40


def test_what_lake_yaml_says_holds_for_a_new_table(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("cpu: {{}}", "cpu: {{table: new, erased: [{{where: \"host = 'h1'\"}}]}}"))
    for path in lake.data_files():
        path.unlink()
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    assert lake.rows("telemetry.new") == 40
    assert hosts(lake) == {"h0", "h2"}
    result = lake.tell(*ERASE)
    assert "telemetry.new: 0 rows erased" in result.out
    assert "lake.yaml" not in result.out


def test_a_time_of_all_hosts(lake: CliLake) -> None:
    result = lake.tell("erase", "-m", "cpu", "--start", "2026-01-02", "--end", "2026-01-02T12:00", "--json").object
    assert result["erased"][0]["rows"] == 15
    lake.tell("replicate", "cpu", "--end", "2026-01-03")
    assert lake.tell("verify", "cpu", "--end", "2026-01-03").code == 0
    assert lake.rows() == 45


def test_rows_in_quarantine(lake: CliLake) -> None:
    lake.write_config(LAKE.replace("cpu: {{}}", "cpu: {{table: strict, types: {{value: string}}}}"))
    lake.write_config(
        LAKE.replace("cpu: {{}}", "cpu: {{table: odd, types: {{text: long}}, on_cast_error: quarantine}}")
    )
    lines = [f'cpu,host=h{n % 3} text="{"x" if n < 6 else n}" {1_767_225_600_000_000_000 + n}' for n in range(9)]
    lake.box.write("telemetry", "\n".join(lines))
    assert lake.tell("replicate", "cpu", "--end", "2026-01-02").code == 0
    name = "telemetry.odd__quarantine"
    assert lake.rows(name) == 6
    found = lake.tell(*ERASE, "--json").object["erased"]
    assert [(each["table"], each["rows"]) for each in found] == [("telemetry.odd", 11), (name, 2)]
    assert lake.rows(name) == 4
    rows = lake.catalog.load_table(name).scan().to_arrow()["row"].to_pylist()
    assert {json.loads(row)["host"] for row in rows} == {"h0", "h2"}


def test_what_loads_could_not_leave_out(lake: CliLake) -> None:
    lake.box.write("telemetry", f"cpu,host=h1 value=1i {1_767_225_600_000_000_007}")
    assert lake.tell("replicate", "cpu", "--end", "2026-01-02").code == 0
    there = lake.metadata()
    result = lake.tell("erase", "-m", "cpu", "--where", "time_ns = 1767225600000000007")
    assert result.code == 2
    assert "time_ns, which is made when rows are written" in result.err
    assert lake.metadata() == there


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "names no rows"),
        (("--where", "hots = 'a'"), "no column has this name"),
        (("--where", "value"), "not true or false"),
        (("--where", "host = "), "is not a SQL condition"),
        (("--start", "2026-01-02", "--end", "2026-01-01"), "is not before"),
    ],
)
def test_what_cannot_be_erased(lake: CliLake, arguments: tuple[str, ...], message: str) -> None:
    there = lake.metadata()
    result = lake.tell("erase", "-m", "cpu", *arguments)
    assert result.code != 0
    assert message in result.err + result.out
    assert lake.metadata() == there
