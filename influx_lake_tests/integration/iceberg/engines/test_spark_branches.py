"""Spark reads branches and tags of ours, and works on tables that have them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.iceberg.changed_lake import DAYS, ROWS, ChangedLake
from influx_lake_tests.integration.iceberg.engines.spark_session import Spark, spark_session

pytestmark = [pytest.mark.servers, pytest.mark.slow]

NAMES = ["first", "cpu", "forwarded"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChangedLake]:
    with Sandbox() as box:
        yield ChangedLake.made(tmp_path_factory.mktemp("lake"), box, NAMES, {})


@pytest.fixture(scope="module")
def spark(lake: ChangedLake) -> Iterator[Spark]:
    # The catalog's file has to be there.
    lake.load(NAMES[0])
    with spark_session(lake.folder) as spark:
        yield spark


def load(lake: ChangedLake, capsys: pytest.CaptureFixture[str], name: str, day: int, *options: str) -> None:
    window = lake.day(day)
    bounds = ("--start", f"{window.start:%Y-%m-%d}", "--end", f"{window.end:%Y-%m-%d}")
    code, told = lake.tell(capsys, "replicate", name, *bounds, *options)
    assert code == 0, told


def count(spark: Spark, table: str) -> int:
    [row] = spark.run(f"select count(*) as rows from {table}")
    return int(row["rows"])


def test_a_branch_is_published_after_spark_compacted_the_table(
    lake: ChangedLake, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 1):
        load(lake, capsys, "cpu", number)
    load(lake, capsys, "cpu", 1, "--branch", "trial")
    load(lake, capsys, "cpu", 2, "--branch", "trial")
    assert count(spark, "lake.telemetry.cpu") == 2 * ROWS
    assert count(spark, "lake.telemetry.cpu.branch_trial") == 3 * ROWS
    code, told = lake.tell(capsys, "tag", "cpu", "kept")
    assert code == 0, told
    spark.run("call lake.system.rewrite_data_files(table => 'telemetry.cpu', options => map('rewrite-all', 'true'))")
    spark.run("call lake.system.rewrite_manifests('telemetry.cpu')")

    code, told = lake.tell(capsys, "publish", "cpu", "--branch", "trial", "--json")

    assert code == 0, told
    assert not json.loads(told)["fast_forward"]
    assert count(spark, "lake.telemetry.cpu") == DAYS * ROWS
    assert lake.status(capsys, "cpu")["windows_missing"] == []
    assert lake.tell(capsys, "verify", "cpu", "--profile")[0] == 0
    spark.run(
        "call lake.system.expire_snapshots(table => 'telemetry.cpu', retain_last => 1, "
        "older_than => timestamp '2100-01-01')"
    )
    assert count(spark, "lake.telemetry.cpu version as of 'kept'") == 2 * ROWS
    lake.assert_told(capsys, "cpu", [], [])
    code, told = lake.tell(capsys, "rollback", "cpu", "--to", "kept")
    assert code == 0, told
    assert count(spark, "lake.telemetry.cpu") == 2 * ROWS
    assert lake.status(capsys, "cpu")["windows_missing"] == [str(lake.day(2))]
    load(lake, capsys, "cpu", 2)
    assert lake.status(capsys, "cpu")["windows_missing"] == []


def test_spark_fast_forwards_to_a_branch_of_ours(
    lake: ChangedLake, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "forwarded"
    for number in (0, 1):
        load(lake, capsys, name, number)
    load(lake, capsys, name, 2, "--branch", "trial")
    spark.run(f"call lake.system.fast_forward('telemetry.{name}', 'main', 'trial')")
    assert lake.rows(name) == DAYS * ROWS
    found = lake.status(capsys, name)
    assert found["windows_missing"] == []
    assert found["changed_by_others"]["windows_lost"] == []
    code, told = lake.tell(capsys, "publish", name, "--branch", "trial")
    assert code == 0, told
    load(lake, capsys, name, 2)
    lake.assert_told(capsys, name, [], [])
    assert lake.rows(name) == DAYS * ROWS
