"""Write, audit, publish from the command line: windows that readers get once they passed their checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, CliLake

AUDITED = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
measurements:
  cpu:
    write: {{publish: after_checks}}
    on_type_conflict: quarantine
    checks: {{source_equals_lake: {{blocking: true}}, values: [{{column: value, between: [0, 50]}}]}}
  mem: {{}}
"""
DAY_1, DAY_2 = (f"2026-01-0{day}T00:00:00Z/2026-01-0{day + 1}T00:00:00Z" for day in (1, 2))


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config(AUDITED)
        lake.fill("cpu", range(2), 10)
        yield lake


def branches(lake: CliLake) -> list[str]:
    return [each["name"] for each in lake.tell("branch", "cpu", "--json").object["branches"] if each["name"] != "main"]


def write_bad(lake: CliLake, day: int) -> None:
    lake.box.write("telemetry", f"cpu,host=h1 value=99i {FIRST_DAY_NS + day * DAY_NS + 1}")


def test_windows_that_pass_are_published(lake: CliLake) -> None:
    result = lake.tell("replicate", "cpu", "--end", "2026-01-03")
    assert result.code == 0, result.err
    assert lake.rows() == 20
    assert branches(lake) == []
    found = lake.tell("history", "cpu", "--json").object["snapshots"]
    assert [each["window"] for each in found] == [DAY_2, DAY_1]
    assert all(each["made_on_branch"].startswith("influx_lake_audit_") for each in found)
    status = lake.tell("status", "cpu", "--json").object["measurements"][0]
    assert status["changed_by_others"]["message"] is None
    assert DAY_2 not in status["windows_missing"]
    assert lake.tell("replicate", "cpu", "--missing-only", "--end", "2026-01-03").out == (
        "Nothing to load: every window is in the lake.\n"
    )
    assert lake.tell("verify", "cpu", "--end", "2026-01-03", "--profile").code == 0


def test_a_window_that_fails_its_checks_leaves_the_table_alone(lake: CliLake) -> None:
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    before = lake.catalog.load_table("telemetry.cpu").metadata.current_snapshot_id
    write_bad(lake, 1)

    result = lake.tell("replicate", "cpu", "--start", "2026-01-02", "--end", "2026-01-03")

    assert result.code == 1
    assert "did not pass its checks: values: " in result.err
    assert "value in 0..50" in result.err
    assert lake.catalog.load_table("telemetry.cpu").metadata.current_snapshot_id == before
    [branch] = branches(lake)
    assert branch in result.err
    looked = lake.tell("history", "cpu", "--branch", branch, "--json").object["snapshots"]
    assert [(each["window"], each["rows"], each["is_read"]) for each in looked][:2] == [
        (DAY_2, 11, False),
        (DAY_2, 10, True),
    ]
    status = lake.tell("status", "cpu", "--json").object["measurements"][0]
    assert status["changed_by_others"]["message"] is None
    assert DAY_2 not in status["windows_missing"]
    assert status["windows_unpublished"] == {branch: [DAY_2]}
    assert f"on the branch {branch}, being checked, or did not pass: 1 window, {DAY_2}" in lake.tell("status").out

    # The next load of the window takes its place; other windows go on.
    assert lake.tell("replicate", "cpu", "--start", "2026-01-02", "--end", "2026-01-03").code == 1
    assert len(branches(lake)) == 1
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02").code == 0
    assert lake.rows() == 20
    [branch] = branches(lake)

    done = lake.tell("publish", "cpu", "--branch", branch, "--json").object
    assert (done["windows"], done["fast_forward"]) == ([DAY_2], False)
    assert lake.rows() == 21
    assert branches(lake) == []


def test_a_window_that_passes_later_takes_its_branch_away(lake: CliLake) -> None:
    write_bad(lake, 0)
    assert lake.tell("replicate", "cpu", "--end", "2026-01-02").code == 1
    assert len(branches(lake)) == 1
    assert lake.catalog.load_table("telemetry.cpu").current_snapshot() is None
    assert lake.tell("status", "cpu", "--json").object["measurements"][0]["rows"] == 0
    config = lake.config.read_text()
    lake.config.write_text(config.replace("[0, 50]", "[0, 100]"))
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    assert lake.rows() == 21
    assert branches(lake) == []


def test_a_branch_of_ones_own(lake: CliLake) -> None:
    lake.write_config()
    lake.fill("mem", range(2), 5)
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02").code == 0
    result = lake.tell("replicate", "--all", "--branch", "trial", "--end", "2026-01-03", "--missing-only")
    assert result.code == 0
    assert "influx-lake publish MEASUREMENT --branch trial" in result.out
    assert lake.rows() == 10
    assert lake.rows("telemetry.mem") == 0
    again = lake.tell("replicate", "--all", "--branch", "trial", "--end", "2026-01-03", "--missing-only")
    assert "Nothing to load" in again.out
    assert lake.tell("verify", "cpu", "--branch", "trial", "--end", "2026-01-03").code == 0
    assert lake.tell("publish", "cpu", "--branch", "trial", "--json").object["fast_forward"]
    assert lake.rows() == 20
    assert lake.tell("publish", "mem", "--branch", "trial").code == 0
    assert lake.rows("telemetry.mem") == 10
    assert "has no branch trial" in lake.tell("publish", "mem", "--branch", "trial").err
    assert "cannot be the name" in lake.tell("replicate", "cpu", "--branch", "main").err


def test_a_tail_is_not_for_windows_that_are_checked_first(lake: CliLake) -> None:
    result = lake.tell("tail", "cpu")
    assert result.code == 2
    assert "a tail shows the open one before any check" in result.err
    for text, said in {
        AUDITED.replace("blocking: true", "blocking: false").replace(
            "between: [0, 50]", "between: [0, 50], severity: warn"
        ): ("needs a check that a window has to pass"),
        AUDITED.replace("on_type_conflict", "tail: {{every: 1m}}\n    on_type_conflict"): "before any check",
    }.items():
        lake.write_config(text)
        result = lake.tell("status")
        assert result.code == 2
        assert said in result.err
