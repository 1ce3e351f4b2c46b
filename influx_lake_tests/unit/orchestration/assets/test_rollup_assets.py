from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.config import load_lake
from influx_lake.config.measurements.rollups import Rollup, parse_function
from influx_lake.config.values.buckets import parse_bucket
from influx_lake.orchestration.definitions import build_definitions
from influx_lake_tests.unit.orchestration.fakes import START, Lake, hourly_points

HOURLY = Rollup(
    "hourly",
    ("telemetry",),
    "cpu_hourly",
    parse_bucket("1h"),
    functions=tuple(map(parse_function, ("mean", "last"))),
)
LAKE = """
sources: {default: {host: "http://127.0.0.1:1", database: telemetry}}
defaults:
  owners: [team:platform]
  rollups: {hourly: {every: 1h, functions: [mean]}}
measurements:
  cpu:
    tags: {tier: gold}
    rollups:
      daily: {every: 1d, by: [host], namespace: marts, description: By day., tags: {for: bi}}
  mem: {partition: {every: hour, start: 2026-11-01}, rollups: {hourly: {enabled: false}}}
"""


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, dg.AssetSpec]:
    (tmp_path / "lake.yaml").write_text(LAKE)
    definitions = build_definitions(load_lake(tmp_path / "lake.yaml"))
    dg.Definitions.validate_loadable(definitions)
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_a_roll_up_is_an_asset_below_its_measurement(specs: dict[str, dg.AssetSpec]) -> None:
    assert {key for key in specs if key.startswith(("telemetry/", "marts/"))} == {
        "telemetry/cpu",
        "telemetry/cpu_hourly",
        "marts/cpu_daily",
        "telemetry/mem",
    }
    daily = specs["marts/cpu_daily"]
    assert [dep.asset_key.path for dep in daily.deps] == [["telemetry", "cpu"]]
    # The same object: only then can one run hold both.
    assert daily.partitions_def is specs["telemetry/cpu"].partitions_def
    assert (daily.kinds, daily.group_name) == ({"duckdb", "iceberg"}, "telemetry")
    assert str(daily.description).startswith("By day.\n\nRoll-up **daily** of `telemetry.cpu`")
    assert (daily.tags["tier"], daily.tags["for"], list(daily.owners)) == ("gold", "bi", ["team:platform"])
    assert daily.metadata["dagster/table_name"] == "marts.cpu_daily"
    assert "a row for each **1h** and every combination of tags" in str(specs["telemetry/cpu_hourly"].description)


def test_one_run_loads_a_measurement_and_rolls_it_up(lake: Lake, run_all: Callable[..., dict[str, object]]) -> None:
    lake.source.points = hourly_points(days=2, per_hour=4)

    facts = run_all(*lake.rolling(HOURLY), keys=("2026-01-01", "2026-01-02"))

    rows = lake.rows("telemetry", "cpu_hourly")
    assert len(rows) == 2 * 24 * 2
    # Points 96 and 98 of the sequence are the first of the second day on host0.
    first = next(row for row in rows if row["host"] == "host0" and row["time"] == START + timedelta(days=1))
    assert (first["usage_mean"], first["usage_last"]) == (97.0, 98.0)
    assert facts["dagster/partition_row_count"] == 48
    assert facts["points"] == 96


def test_a_roll_up_shows_its_columns_and_where_they_come_from(
    lake: Lake, run_all: Callable[..., dict[str, object]]
) -> None:
    lake.source.points = hourly_points(days=1)

    facts = run_all(*lake.rolling(HOURLY), key="2026-01-01")

    schema, lineage = facts["dagster/column_schema"], facts["dagster/column_lineage"]
    assert isinstance(schema, dg.TableSchema)
    assert isinstance(lineage, dg.TableColumnLineage)
    assert [(column.name, column.description) for column in schema.columns] == [
        ("time", "Start of the bucket (1h)"),
        ("host", None),
        ("usage_mean", "Mean of usage"),
        ("usage_last", "Last value of usage"),
    ]
    assert {name: sorted(dep.column_name for dep in deps) for name, deps in lineage.deps_by_column.items()} == {
        "time": ["time"],
        "host": ["host"],
        "usage_mean": ["usage"],
        "usage_last": ["time", "usage"],
    }
    assert {dep.asset_key for deps in lineage.deps_by_column.values() for dep in deps} == {
        dg.AssetKey(["telemetry", "cpu"])
    }


def test_a_measurement_shows_which_columns_of_influxdb_it_has(lake: Lake) -> None:
    lake.source.points = hourly_points(days=1)

    lineage = lake.run(lake.cpu(), key="2026-01-01").partitions["2026-01-01"]["dagster/column_lineage"]

    assert isinstance(lineage, dg.TableColumnLineage)
    assert {(name, dep.asset_key.to_user_string(), dep.column_name)
            for name, deps in lineage.deps_by_column.items() for dep in deps} == {
        (name, "influxdb/telemetry/cpu", name) for name in ("time", "host", "usage")
    }  # fmt: skip


def test_a_window_that_was_loaded_again_is_rolled_up_again(
    lake: Lake, run_all: Callable[..., dict[str, object]]
) -> None:
    lake.source.points = hourly_points(days=1)
    run_all(*lake.rolling(HOURLY), key="2026-01-01")
    lake.source.points = [(*point[:2], point[2] + 1000) for point in lake.source.points]

    facts = run_all(*lake.rolling(HOURLY), key="2026-01-01")

    rows = lake.rows("telemetry", "cpu_hourly")
    assert len(rows) == 48
    assert min(row["usage_mean"] for row in rows) == 1000.0
    assert facts["previous_rows"] == 48


def test_a_roll_up_of_what_is_not_loaded_says_what_to_do(lake: Lake) -> None:
    lake.source.points = hourly_points(days=1)
    assets = lake.rolling(HOURLY)
    assert lake.run(assets[0], key="2026-01-01").success

    failure = lake.run(*assets, key="2026-01-02").failure

    assert "measurement cpu, window 2026-01-02T00:00:00Z/2026-01-03T00:00:00Z" in str(failure.description)
    assert "Load it first" in str(failure.description)


def test_without_duckdb_the_extra_is_named(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.source.points = hourly_points(days=1)
    assets = lake.rolling(HOURLY)
    assert lake.run(assets[0], key="2026-01-01").success
    monkeypatch.setitem(sys.modules, "duckdb", None)

    failure = lake.run(*assets, key="2026-01-01").failure

    assert "pip install 'influx-lake[duckdb]'" in str(failure.description)


@pytest.mark.slow
@pytest.mark.parametrize("automation", ["on", pytest.param("declarative", marks=pytest.mark.slow)])
def test_a_roll_up_follows_late_data(
    automation: str, lake: Lake, instance: dg.DagsterInstance, tmp_path: Path, run_all: Callable[..., dict[str, object]]
) -> None:
    (tmp_path / "lake.yaml").write_text(f"{LAKE}\nautomation: {automation}\n")
    definitions = build_definitions(load_lake(tmp_path / "lake.yaml"))
    hourly, moment = dg.AssetKey(["telemetry", "cpu_hourly"]), START + timedelta(days=3)
    seen = dg.evaluate_automation_conditions(definitions, instance, evaluation_time=moment)
    lake.source.points = hourly_points(days=1)
    run_all(*lake.rolling(HOURLY), key="2026-01-01")
    seen = dg.evaluate_automation_conditions(
        definitions, instance, evaluation_time=moment + timedelta(seconds=30), cursor=seen.cursor
    )
    # What came in one run with its measurement is not computed again.
    assert seen.get_requested_partitions(hourly) == set()

    lake.source.points += [(START + timedelta(hours=1, seconds=30), "host0", 1000.0)]
    assert lake.run(lake.cpu(), key="2026-01-01").success
    seen = dg.evaluate_automation_conditions(
        definitions, instance, evaluation_time=moment + timedelta(seconds=60), cursor=seen.cursor
    )
    assert seen.get_requested_partitions(hourly) == {"2026-01-01"}
    assert lake.run(*lake.rolling(HOURLY), key="2026-01-01").success

    assert max(row["usage_last"] for row in lake.rows("telemetry", "cpu_hourly")) == 1000.0


@pytest.fixture
def run_all(lake: Lake) -> Callable[..., dict[str, object]]:
    """Materialise all of the assets in one run; the figures of the last one's last partition."""

    def run(*assets: dg.AssetsDefinition, **partitions: object) -> dict[str, object]:
        done = lake.run(*assets, everything=True, **partitions)  # type: ignore[arg-type]
        assert done.success
        events = done.result.asset_materializations_for_node(assets[-1].op.name)
        return {name: value.value for name, value in events[-1].metadata.items()}

    return run
