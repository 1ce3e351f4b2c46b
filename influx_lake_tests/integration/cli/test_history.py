"""The history of tables from the command line: snapshots, rollbacks, tags and branches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars
import pytest

from influx_lake.config import load_lake
from influx_lake.config.values.windows import parse_moment
from influx_lake.rollups.window import roll_up_window
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import CliLake

SHARED = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
defaults: {{metadata_columns: [measurement]}}
measurements:
  cpu: {{table: host_metrics}}
  mem: {{table: host_metrics}}
"""
DAY_1, DAY_2 = (f"2026-01-0{day}T00:00:00Z/2026-01-0{day + 1}T00:00:00Z" for day in (1, 2))


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config()
        lake.fill("cpu", range(2), 10)
        lake.fill("mem", range(2), 5)
        yield lake


def loaded(lake: CliLake) -> list[str]:
    """The loaded windows."""
    status = lake.tell("status", "cpu", "--json").object["measurements"][0]
    assert status["changed_by_others"]["message"] is None
    return [window for window in (DAY_1, DAY_2) if window not in status["windows_missing"]]


def test_the_history_of_a_table(lake: CliLake) -> None:
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    found = lake.tell("history", "cpu", "--json").object
    assert [(each["window"], each["rows"], each["previous_rows"]) for each in found["snapshots"]] == [
        (DAY_2, 10, 0),
        (DAY_1, 10, 0),
    ]
    assert all(each["by_influx_lake"] and each["run_id"].startswith("cli-") for each in found["snapshots"])
    assert found["snapshots"][0]["names"] == ["main"]
    result = lake.tell("history", "cpu", "--limit", "1")
    assert "2 snapshots of telemetry.cpu, 1 older" in result.out
    assert "2026-01-02/2026-01-03" in result.out
    assert "2026-01-01/" not in result.out


def test_a_rollback_says_what_it_takes_and_can_be_undone(lake: CliLake) -> None:
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    newest, first = (each["snapshot_id"] for each in lake.tell("history", "cpu", "--json").object["snapshots"])

    result = lake.tell("rollback", "cpu", "--to", first, "--dry-run")
    assert f"would be rolled back from snapshot {newest} to {first}" in result.out
    assert f"1 window no longer loaded: {DAY_2}" in result.out
    assert "load them again from the source" in result.out
    assert lake.rows() == 20

    done = lake.tell("rollback", "cpu", "--to", first, "--json").object
    assert done["changed"]
    assert done["measurements"][0]["windows_lost"] == [DAY_2]
    assert lake.rows() == 10
    assert loaded(lake) == [DAY_1]
    listed = lake.tell("history", "cpu", "--all", "--json").object["snapshots"]
    assert [each["is_read"] for each in listed] == [False, True]

    undone = lake.tell("rollback", "cpu", "--to", newest, "--json").object
    assert undone["measurements"][0]["windows_gained"] == [DAY_2]
    assert lake.rows() == 20
    assert loaded(lake) == [DAY_1, DAY_2]

    assert lake.tell("rollback", "cpu", "--to", first).code == 0
    assert lake.tell("replicate", "cpu", "--missing-only", "--end", "2026-01-03").out.count("✓") == 1
    assert lake.rows() == 20
    assert loaded(lake) == [DAY_1, DAY_2]


def test_a_rollback_to_a_time_and_to_a_tag(lake: CliLake) -> None:
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02").code == 0
    assert lake.tell("tag", "cpu", "first").code == 0
    moment = lake.tell("history", "cpu", "--json").object["snapshots"][0]["at"]
    assert lake.tell("replicate", "cpu", "--start", "2026-01-02", "--end", "2026-01-03").code == 0
    for where in ("first", moment):
        assert lake.tell("rollback", "cpu", "--to", where).code == 0
        assert lake.rows() == 10
        assert lake.tell("replicate", "cpu", "--missing-only", "--end", "2026-01-03").code == 0
        assert lake.rows() == 20
    unknown = {"2020-01-01": "had no snapshot at", "12345": "has no snapshot 12345", "x": "no branch or tag"}
    for where, said in unknown.items():
        result = lake.tell("rollback", "cpu", "--to", where)
        assert result.code == 2
        assert said in result.err


def test_tags_and_branches_are_made_listed_and_dropped(lake: CliLake) -> None:
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    newest, first = (each["snapshot_id"] for each in lake.tell("history", "cpu", "--json").object["snapshots"])
    assert lake.tell("tag", "cpu", "before", "--at", first, "--json").object["snapshot_id"] == first
    assert lake.tell("branch", "cpu", "trial", "--json").object["snapshot_id"] == newest
    assert [each["name"] for each in lake.tell("tag", "cpu", "--json").object["tags"]] == ["before"]
    assert [each["name"] for each in lake.tell("branch", "cpu", "--json").object["branches"]] == ["main", "trial"]
    assert "a tag before already" in lake.tell("tag", "cpu", "before").err
    assert "no branch before" in lake.tell("branch", "cpu", "before", "--drop").err
    assert "cannot be dropped" in lake.tell("branch", "cpu", "main", "--drop").err
    assert "cannot be the name" in lake.tell("tag", "cpu", "1x").err
    # Neither makes anything a change of others, nor a table slow to read.
    assert loaded(lake) == [DAY_1, DAY_2]
    assert lake.tell("tag", "cpu", "before", "--drop").code == 0
    assert lake.tell("branch", "cpu", "trial", "--drop").code == 0
    assert set(lake.catalog.load_table("telemetry.cpu").metadata.refs) == {"main"}


def test_a_rollback_of_a_shared_table_tells_of_every_measurement(lake: CliLake) -> None:
    lake.write_config(SHARED)
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    assert lake.tell("replicate", "mem", "--end", "2026-01-03").code == 0
    found = lake.tell("history", "cpu", "--json").object["snapshots"]
    assert [each["measurement"] for each in found] == ["mem", "mem", "cpu", "cpu"]
    done = lake.tell("rollback", "cpu", "--to", found[2]["snapshot_id"], "--json").object["measurements"]
    assert [(each["measurement"], each["windows_lost"]) for each in done] == [("cpu", []), ("mem", [DAY_1, DAY_2])]
    status = lake.tell("status", "--json").object["measurements"]
    assert [each["rows"] for each in status] == [20, 0]
    assert DAY_1 in status[1]["windows_missing"]
    assert lake.tell("replicate", "mem", "--end", "2026-01-03").code == 0
    assert [each["rows"] for each in lake.tell("status", "--json").object["measurements"]] == [20, 10]


EXPIRING = """\
sources:
  default: {{host: {host}, database: telemetry, token: "${{file:token}}", retry: {{budget: 1s}}}}
catalog: {catalog}
measurements:
  cpu:
    on_shrink: replace
    rollups: {{hourly: {{every: 1h, functions: [mean]}}}}
    maintenance: {{compact: off, rewrite_manifests: off, expire_snapshots: {{older_than: 0s, keep_last: 1}}}}
"""


def test_a_tag_outlives_an_expiry_and_is_gone_back_to(lake: CliLake) -> None:
    lake.write_config(EXPIRING)
    assert lake.tell("replicate", "cpu", "--end", "2026-01-03").code == 0
    assert lake.tell("tag", "cpu", "kept").code == 0
    lake.fill("cpu", range(1), 20)
    for _ in range(2):
        assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02").code == 0
    after = lake.rows()
    result = lake.tell("maintain", "cpu", "--only", "expire_snapshots", "--only", "metadata")
    assert result.code == 0, result.err
    found = lake.tell("history", "cpu", "--all", "--json").object["snapshots"]
    assert len(found) == 2
    assert found[1]["names"] == ["kept"]
    assert loaded(lake) == [DAY_1, DAY_2]
    result = lake.tell("rollback", "cpu", "--to", "kept")
    assert result.code == 0, result.err
    assert lake.rows() == 20
    assert loaded(lake) == [DAY_1, DAY_2]
    place = lake.catalog.load_table("telemetry.cpu").metadata_location
    assert polars.scan_iceberg(place).collect().height == 20
    assert lake.tell("replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-02").code == 0
    assert lake.rows() == after


def test_tables_beside_those_of_measurements_have_a_history_too(lake: CliLake) -> None:
    lake.write_config(EXPIRING)
    assert lake.tell("replicate", "cpu", "--end", "2026-01-02").code == 0
    result = lake.tell("history", "telemetry.cpu_hourly")
    assert "there is no table telemetry.cpu_hourly" in result.err
    cpu = load_lake(lake.config).find("cpu")
    day = next(iter(cpu.scheme.windows(cpu.scheme.start, parse_moment("2026-01-02"))))
    roll_up_window(lake.catalog, cpu, cpu.rollups[0], day, run_id="test")
    assert lake.tell("history", "telemetry.cpu_hourly", "--json").object["count"] == 1
    assert lake.tell("tag", "telemetry.cpu_hourly", "kept").code == 0
