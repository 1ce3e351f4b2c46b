"""Spark reads what was loaded, and tables that Spark wrote to are loaded, counted and read as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from influx_lake.config import InfluxDB3Config, Measurement, OnShrink, Secret, WriteMode, WriteOptions
from influx_lake.config.tables.file_options import Compression
from influx_lake.config.values.windows import Window
from influx_lake.errors import CatalogRefused, WindowShrank
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import count_rows, read_windows
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import Provenance
from influx_lake.replication.table_columns import table_target
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.iceberg.engines.engine_cases import CASES, Case, long_tables, packed, telling
from influx_lake_tests.integration.iceberg.engines.spark_session import Spark, assert_same, spark_session
from influx_lake_tests.integration.typed_lake import START_NS, TypedLake, day, measurement
from testbed.loads import CheckedBy, load_of

pytestmark = pytest.mark.servers

HOUR_NS = 3_600 * 10**9
TYPES = {"timestamptz": "timestamp", "timestamp": "timestamp_ntz", "long": "bigint"}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TypedLake]:
    folder: Path = tmp_path_factory.mktemp("spark")
    properties = {"type": "sql", "uri": f"sqlite:///{folder}/c.db", "warehouse": f"{folder}/w"}
    with Sandbox() as box:
        source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=Secret(str(box.token))))
        yield TypedLake(box, source, open_catalog("lake", properties))
        source.close()


@pytest.fixture(scope="module")
def spark(lake: TypedLake) -> Iterator[Spark]:
    folder = Path(lake.catalog.properties["warehouse"]).parent
    with spark_session(folder) as spark:
        yield spark


def a_day(lake: TypedLake, name: str) -> Measurement:
    """A measurement with a point an hour, 0.0 to 23.0, loaded as one file that Spark may delete rows of."""
    of = measurement(name)
    lake.write(*(f"{name},host=h{i % 3} value={i} {START_NS + i * HOUR_NS}" for i in range(24)))
    lake.load(of)
    return of


def values(lake: TypedLake, of: Measurement) -> list[float]:
    return sorted(row["value"] for row in lake.rows(of))


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_spark_finds_every_value(spark: Spark, lake: TypedLake, make: Callable[[TypedLake], Case]) -> None:
    case = make(lake)
    table = f"lake.{case.of.table_name}"
    assert lake.types(case.of) == case.types
    assert spark.types(table) == {name: TYPES.get(kind, kind.replace(", ", ",")) for name, kind in case.types.items()}
    assert telling(spark.rows(table)) == telling(case.rows)


@pytest.mark.parametrize("codec", [codec for codec in Compression if codec is not Compression.BROTLI])
def test_spark_reads_every_codec_but_brotli(spark: Spark, lake: TypedLake, codec: Compression) -> None:
    case = packed(lake, codec)
    assert telling(spark.rows(f"lake.{case.of.table_name}")) == telling(case.rows)


def test_spark_has_no_brotli_of_its_own(spark: Spark, lake: TypedLake) -> None:
    from py4j.protocol import Py4JJavaError

    case = packed(lake, Compression.BROTLI)
    with pytest.raises(Py4JJavaError, match="BrotliCodec"):
        spark.rows(f"lake.{case.of.table_name}")


def test_names_that_differ_in_case_only_need_a_setting(spark: Spark, lake: TypedLake) -> None:
    from pyspark.errors import AnalysisException

    of = measurement("twins")
    lake.write(f"twins,Host=a,host=b value=1 {START_NS}")
    lake.load(of)
    both = "select Host, host from lake.telemetry.twins"
    assert spark.run(both) == [{"Host": "a", "host": "b"}]
    spark.run("set spark.sql.caseSensitive = false")
    try:
        with pytest.raises(AnalysisException, match="AMBIGUOUS"):
            spark.run(both)
    finally:
        spark.run("set spark.sql.caseSensitive = true")


def test_rows_that_spark_deleted_are_neither_counted_nor_read(spark: Spark, lake: TypedLake) -> None:
    of = a_day(lake, "deleted")
    spark.merge_on_read("lake.telemetry.deleted")
    spark.run("delete from lake.telemetry.deleted where value < 10")
    (task,) = lake.table(of).scan().plan_files()
    assert (len(task.delete_files), task.file.record_count) == (1, 24)
    assert len(assert_same(spark, lake, of, day(0))) == 14
    result = lake.load(of)
    assert (result.rows, result.previous_rows) == (24, 14)
    assert len(assert_same(spark, lake, of, day(0))) == 24
    assert values(lake, of) == [float(i) for i in range(24)]


def test_rows_that_spark_deleted_beside_the_window_do_not_come_back(spark: Spark, lake: TypedLake) -> None:
    of = a_day(lake, "beside")
    spark.merge_on_read("lake.telemetry.beside")
    spark.run("delete from lake.telemetry.beside where value in (1, 13, 20)")
    morning = Window(day(0).start + timedelta(hours=12), day(0).start + timedelta(hours=18))
    assert lake.load(of, morning).previous_rows == 5
    assert_same(spark, lake, of, day(0))
    assert values(lake, of) == [float(i) for i in range(24) if i not in (1, 20)]


def test_rows_that_spark_deletes_while_the_window_is_committed_do_not_come_back(spark: Spark, lake: TypedLake) -> None:
    of = a_day(lake, "racing")
    spark.merge_on_read("lake.telemetry.racing")
    window = Window(day(0).start, day(0).start + timedelta(hours=12))
    seen: list[int] = []

    def delete_first(rows: int, previous_rows: int) -> None:
        if not seen:
            spark.run("delete from lake.telemetry.racing where value in (3, 15)")
        seen.append(previous_rows)

    schema = lake.source.schema(of.name)
    with lake.source.read(schema, window) as rows:
        target = table_target(of, schema)
        provenance = Provenance(source=lake.source.identity, run_id="test")
        replace_window(load_of(lake.catalog, target, rows, window, provenance, guard=CheckedBy(approve=delete_first)))
    assert seen == [12, 11]
    assert_same(spark, lake, of, day(0))
    assert values(lake, of) == [float(i) for i in range(24) if i != 15]


def test_a_table_that_spark_merged_into(spark: Spark, lake: TypedLake) -> None:
    of = a_day(lake, "merged")
    spark.merge_on_read("lake.telemetry.merged")
    spark.run(
        """
        merge into lake.telemetry.merged as t
        using (select explode(sequence(20, 27)) as n) as s
        on t.value = s.n
        when matched and s.n < 22 then delete
        when matched then update set value = -s.n
        when not matched then insert (time, host, value)
            values (timestamp '2026-01-01 23:30:00' + make_interval(0, 0, 0, 0, 0, s.n), 'new', s.n)
        """
    )
    assert_same(spark, lake, of, day(0))
    assert values(lake, of) == [-23.0, -22.0, *(float(i) for i in range(20)), 24.0, 25.0, 26.0, 27.0]
    with pytest.raises(WindowShrank, match=r"only 24 rows .* telemetry\.merged holds 26"):
        lake.load(of)
    result = lake.load(replace(of, on_shrink=OnShrink.REPLACE))
    assert (result.rows, result.previous_rows) == (24, 26)
    assert_same(spark, lake, of, day(0))
    assert values(lake, of) == [float(i) for i in range(24)]


def test_a_table_that_spark_compacted(spark: Spark, lake: TypedLake) -> None:
    of = a_day(lake, "compacted")
    for hour in (3, 9, 15):
        start = day(0).start + timedelta(hours=hour)
        lake.load(of, Window(start, start + timedelta(hours=2)))
    spark.merge_on_read("lake.telemetry.compacted")
    spark.run("delete from lake.telemetry.compacted where value = 4")
    before = len(list(lake.table(of).scan().plan_files()))
    (done,) = spark.run(
        "call lake.system.rewrite_data_files(table => 'telemetry.compacted', "
        "options => map('rewrite-all', 'true', 'remove-dangling-deletes', 'true'))"
    )
    assert done["rewritten_data_files_count"] == before > 1
    # The compaction took nothing; the delete before it did.
    deleted = day(0).start + timedelta(hours=4)
    assert table_state(lake.table(of)).lost == (Window(deleted, deleted + timedelta(seconds=1)),)
    assert len(assert_same(spark, lake, of, day(0))) == 23
    hour = Window(day(0).start + timedelta(hours=4), day(0).start + timedelta(hours=5))
    assert lake.load(of, hour).previous_rows == 0
    assert_same(spark, lake, of, day(0))
    assert values(lake, of) == [float(i) for i in range(24)]


def test_columns_and_partitions_that_spark_changed(spark: Spark, lake: TypedLake) -> None:
    of = a_day(lake, "altered")
    spark.run("alter table lake.telemetry.altered add column note string")
    spark.run("alter table lake.telemetry.altered add partition field bucket(4, host)")
    spark.run("update lake.telemetry.altered set note = 'seen' where value = 1")
    assert_same(spark, lake, of, day(0))
    hour = Window(day(0).start + timedelta(hours=2), day(0).start + timedelta(hours=5))
    assert lake.load(of, hour).previous_rows == 3
    assert_same(spark, lake, of, day(0))
    assert [row["note"] for row in lake.rows(of)] == [None, "seen", *[None] * 22]
    assert values(lake, of) == [float(i) for i in range(24)]


def test_a_table_that_spark_made(spark: Spark, lake: TypedLake) -> None:
    of = measurement("made")
    spark.run(
        "create table lake.telemetry.made (value double, host string, time timestamp) using iceberg "
        "partitioned by (hours(time), host)"
    )
    spark.run("insert into lake.telemetry.made values (99, 'theirs', timestamp '2026-01-02 00:00:00')")
    lake.write(*(f"made,host=h{i % 2} value={i} {START_NS + i * HOUR_NS // 2}" for i in range(8)))
    for _ in range(2):
        lake.load(of)
    assert count_rows(lake.table(of), day(0)) == 8
    both = [day(0), day(1)]
    found = read_windows(lake.table(of), both).read_all().to_pylist()
    assert telling(found) == telling(spark.rows("lake.telemetry.made"))
    assert sorted(row["value"] for row in found) == [*(float(i) for i in range(8)), 99.0]


@pytest.mark.parametrize("merging", [False, True])
def test_upserts_beside_rows_that_spark_deleted(spark: Spark, lake: TypedLake, merging: bool) -> None:
    name = f"upserted_{merging}".lower()
    of = a_day(lake, name)
    spark.merge_on_read(f"lake.telemetry.{name}")
    spark.run(f"delete from lake.telemetry.{name} where value in (1, 13, 20)")
    upserting = replace(of, write=WriteOptions(mode=WriteMode.UPSERT, merge_fields=merging))
    start = day(0).start
    result = lake.load(upserting, Window(start + timedelta(hours=12), start + timedelta(hours=18)))
    assert (result.previous_rows, result.rows) == (5, 6)
    assert len(assert_same(spark, lake, of, day(0))) == 22
    assert values(lake, of) == [float(i) for i in range(24) if i not in (1, 20)]


def test_appends_beside_rows_that_spark_deleted(spark: Spark, lake: TypedLake) -> None:
    of = measurement("appended", write=WriteOptions(mode=WriteMode.APPEND))
    lake.write(*(f"appended,host=h{i % 3} value={i} {START_NS + i * HOUR_NS}" for i in range(24)))
    start = day(0).start
    lake.load(of, Window(start, start + timedelta(hours=12)))
    spark.merge_on_read("lake.telemetry.appended")
    spark.run("delete from lake.telemetry.appended where value in (1, 7)")
    result = lake.load(of)
    # What Spark deleted counts as not loaded any more, and is there again.
    assert (result.previous_rows, result.rows) == (10, 24)
    assert len(assert_same(spark, lake, of, day(0))) == 24
    assert values(lake, of) == [float(i) for i in range(24)]


def test_deletes_go_with_their_files_and_the_others_stay(spark: Spark, lake: TypedLake) -> None:
    of = a_day(lake, "dangling")
    lake.write(*(f"dangling,host=h value={100 + i} {START_NS + (24 + i) * HOUR_NS}" for i in range(24)))
    lake.load(of, 1)
    spark.merge_on_read("lake.telemetry.dangling")
    spark.run("delete from lake.telemetry.dangling where value in (1, 7, 101)")
    deletes = "select file_path, record_count from lake.telemetry.dangling.delete_files"
    assert sorted(row["record_count"] for row in spark.run(deletes)) == [1, 2]
    lake.load(of)
    assert [row["record_count"] for row in spark.run(deletes)] == [1]
    summary = lake.table(of).current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    assert (summary["total-delete-files"], summary["total-position-deletes"]) == ("1", "1")
    assert len(spark.rows("lake.telemetry.dangling")) == 24 + 23
    lake.load(of, 1)
    assert spark.run(deletes) == []
    assert len(spark.rows("lake.telemetry.dangling")) == 48


@pytest.mark.parametrize("mode", WriteMode)
def test_equality_deletes_are_refused_before_anything_is_written(
    spark: Spark, lake: TypedLake, mode: WriteMode
) -> None:
    name = f"equality_{mode}"
    of = replace(a_day(lake, name), write=WriteOptions(mode=mode))
    spark.delete_where_equal(f"lake.telemetry.{name}", "host", "h1")
    assert len(spark.rows(f"lake.telemetry.{name}")) == 16
    before = lake.table(of).metadata_location
    files = sorted(Path(lake.table(of).location().removeprefix("file://")).rglob("*"))
    with pytest.raises(CatalogRefused, match=rf"telemetry\.{name} has equality deletes") as refused:
        lake.load(of)
    assert f"rewrite_data_files(table => 'telemetry.{name}'" in (refused.value.remedy or "")
    assert lake.table(of).metadata_location == before
    assert sorted(Path(lake.table(of).location().removeprefix("file://")).rglob("*")) == files
    spark.run(
        f"call lake.system.rewrite_data_files(table => 'telemetry.{name}', "
        "options => map('delete-file-threshold', '1', 'remove-dangling-deletes', 'true'))"
    )
    assert lake.load(replace(of, write=WriteOptions(mode=WriteMode.REPLACE))).previous_rows == 16


def test_spark_reads_a_long_table_and_deletes_of_it(spark: Spark, lake: TypedLake) -> None:
    """Deletes of one measurement's rows, by position, are its own: the other's load keeps them deleted."""
    of, expected = long_tables(lake)
    table, columns = "lake.telemetry.all_metrics", "measurement, tags, metric_name, metric_value, value_string"
    found = [tuple(row.values()) for row in spark.run(f"select {columns} from {table}")]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert spark.run(f"select count(*) as n from {table} where tags['host'] = 'a'") == [{"n": 5}]
    spark.merge_on_read(table)
    spark.run(f"delete from {table} where metric_name in ('cores', 'used')")
    lake.load(of)
    left = [row["metric_name"] for row in spark.run(f"select metric_name from {table}")]
    assert sorted(left) == ["cores", "note", "on", "usage", "usage"]
