"""Tables that Spark took to format version 3: read, compared and rolled up; loads say that they are not written."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan.reader import count_rows, read_windows
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.iceberg.changed_lake import DAYS, ROWS, ChangedLake
from influx_lake_tests.integration.iceberg.engines.spark_session import Spark, spark_session

pytestmark = pytest.mark.servers

NAMES = ("upgraded", "deleted")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChangedLake]:
    with Sandbox() as box:
        yield ChangedLake.made(tmp_path_factory.mktemp("lake"), box, NAMES, {})


@pytest.fixture(scope="module")
def spark(lake: ChangedLake) -> Iterator[Spark]:
    for name in NAMES:
        lake.load(name)
    with spark_session(lake.folder) as session:
        for name in NAMES:
            session.run(f"alter table lake.telemetry.{name} set tblproperties ('format-version' = '3')")
        session.merge_on_read("lake.telemetry.deleted")
        session.run("delete from lake.telemetry.deleted where host = 'h1'")
        yield session


def test_an_upgraded_table_is_read_compared_and_rolled_up(
    lake: ChangedLake, spark: Spark, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lake.table("upgraded").format_version == 3
    assert lake.rows("upgraded") == DAYS * ROWS == len(spark.rows("lake.telemetry.upgraded"))
    lake.assert_told(capsys, "upgraded", [], [])
    code, told = lake.tell(capsys, "verify", "upgraded")
    assert code == 0, told
    before = lake.aggregates("upgraded")
    for day in range(DAYS):
        lake.roll_up("upgraded", day)
    assert lake.aggregates("upgraded") == before


def test_deletion_vectors_are_read(lake: ChangedLake, spark: Spark, capsys: pytest.CaptureFixture[str]) -> None:
    left = DAYS * ROWS * 2 // 3
    assert {task["file_format"] for task in spark.run("select * from lake.telemetry.deleted.delete_files")} == {
        "PUFFIN"
    }
    assert lake.rows("deleted") == left == len(spark.rows("lake.telemetry.deleted"))
    whole = Window(lake.day(0).start, lake.day(DAYS - 1).end)
    rows = read_windows(lake.table("deleted"), [whole]).read_all()
    assert (rows.num_rows, set(rows["host"].to_pylist())) == (left, {"h0", "h2"})
    assert count_rows(lake.table("deleted"), whole) == left
    lake.assert_told(capsys, "deleted", ["delete"], range(DAYS))
    code, told = lake.tell(capsys, "verify", "deleted")
    assert (code, "the lake lacks 8 rows" in told) == (1, True)


def test_loads_say_that_it_is_not_written_before_anything_is_read(
    lake: ChangedLake, spark: Spark, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InfluxDB3Source, "read", lambda *_: pytest.fail("the source was read"))
    day = ("--start", f"{lake.start:%Y-%m-%d}", "--end", f"{lake.day(0).end:%Y-%m-%d}")
    code, told = lake.tell(capsys, "replicate", "upgraded", *day)
    assert code == 1
    assert "telemetry.upgraded is a table of Iceberg's format version 3, which pyiceberg cannot write yet" in told
    assert "'format-version' = '2'" in told
    code, told = lake.tell(capsys, "check", "--json")
    table = next(each for each in json.loads(told)["checks"] if each["subject"] == "table telemetry.upgraded")
    assert (code, table["ok"], table["found"]["format_version"]) == (1, False, 3)
    code, told = lake.tell(capsys, "tag", "upgraded", "before")
    assert code == 1
    assert "the table has format version 3, and pyiceberg writes no metadata of that yet" in told
    assert len(spark.rows("lake.telemetry.upgraded")) == DAYS * ROWS
