"""`influx-lake pools` on a real Dagster instance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import LAKE, CliLake

POOLS = """\
pools: {{influxdb: 4, sources: {{archive: 1}}, table: 2}}
"""
TWO_SOURCES = LAKE.replace(
    "catalog:", '  archive: {{host: {host}, database: old, token: "${{file:token}}"}}\ncatalog:', 1
).replace("mem: {{}}", "mem: {{source: archive}}")
STATED = {"influxdb_default": 4, "influxdb_archive": 1, "table__telemetry__cpu": 2, "table__old__mem": 2}


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        yield CliLake(tmp_path, box, capsys)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "dagster"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home


def limits(home: Path) -> dict[str, int]:
    """What the instance says of its pools."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def test_the_limits_are_shown_and_nothing_is_changed(lake: CliLake, home: Path) -> None:
    lake.write_config(TWO_SOURCES + POOLS)

    result = lake.tell("pools")

    assert result.code == 0
    for pool, limit in STATED.items():
        assert f"dagster instance concurrency set {pool} {limit}" in result.out.splitlines()
    assert limits(home) == {}


@pytest.mark.slow
def test_the_limits_are_set_and_only_what_differs(lake: CliLake, home: Path) -> None:
    lake.write_config(TWO_SOURCES + POOLS)

    assert lake.tell("pools", "--set", "--json").object == {"pools": STATED, "changed": STATED}
    assert limits(home) == STATED
    result = lake.tell("pools", "--set")
    assert result.code == 0
    assert "4 pools, 0 limits changed" in result.out

    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.event_log_storage.set_concurrency_slots("of somebody else", 7)
    lake.write_config(TWO_SOURCES + POOLS.replace("archive: 1", "archive: 3"))
    assert lake.tell("pools", "--set", "--json").object["changed"] == {"influxdb_archive": 3}
    assert limits(home) == {**STATED, "influxdb_archive": 3, "of somebody else": 7}


@pytest.mark.slow
def test_without_a_home_the_limits_are_set_where_the_ui_looks(lake: CliLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    lake.write_config(TWO_SOURCES + POOLS)

    assert lake.tell("pools", "--set").code == 0

    home = lake.folder / ".lake" / "dagster"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    assert limits(home) == STATED


def test_a_lake_that_states_no_limits_says_how(lake: CliLake, home: Path) -> None:
    lake.write_config()

    result = lake.tell("pools", "--set")

    assert result.code == 0
    assert "states no limits" in result.out
    assert limits(home) == {}
