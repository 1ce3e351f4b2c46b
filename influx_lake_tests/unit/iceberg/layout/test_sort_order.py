"""Sorted tables: their order, what their files say of it, and what other engines read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as changed
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile

from influx_lake.config import OnTypeConflict, TypeOptions, WriteOptions
from influx_lake.config.tables.sort_order import parse_sort_term
from influx_lake.config.tables.table_layout import parse_term
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError, SchemaConflict
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.sort import external_sort
from influx_lake.iceberg.sort.external_sort import Limits
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.tables import (
    PROVENANCE,
    SCHEMA,
    TARGET,
    Batches,
    day,
    held,
    hours,
    replace,
    rows,
    table,
)
from testbed.loads import load_of


def sorted_by(*terms: str, size: int = 512_000_000, partition: tuple[str, ...] | None = None) -> TableTarget:
    write = WriteOptions(sort_by=tuple(parse_sort_term(term) for term in terms), target_file_size=size)
    fields = None if partition is None else tuple(parse_term(term) for term in partition)
    return changed(TARGET, write=write, partition=fields)


def files(catalog: Catalog) -> list[DataFile]:
    return [task.file for task in table(catalog).scan().plan_files()]


def content(file: DataFile) -> pa.Table:
    return pq.read_table(file.file_path.removeprefix("file://"), partitioning=None)


def claims(file: DataFile) -> tuple[int | None, list[tuple[int, bool, bool]]]:
    footer = pq.read_metadata(file.file_path.removeprefix("file://"))
    claimed = {
        tuple((column.column_index, column.descending, column.nulls_first) for column in group.sorting_columns)
        for group in map(footer.row_group, range(footer.num_row_groups))
    }
    (same,) = claimed
    return file.sort_order_id, list(same)


def order(catalog: Catalog) -> list[str]:
    return [str(field) for field in table(catalog).sort_order().fields]


def test_a_new_table_and_its_files_say_it(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 500), target=sorted_by("host", "time desc"))
    assert order(catalog) == ["2 ASC NULLS FIRST", "1 DESC NULLS LAST"]
    (file,) = files(catalog)
    assert claims(file) == (table(catalog).sort_order().order_id, [(1, False, True), (0, True, False)])
    assert content(file) == content(file).sort_by([("host", "ascending"), ("time", "descending")])
    assert content(file).num_rows == 500


def test_nothing_is_claimed_where_nothing_is_stated(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 50))
    assert order(catalog) == []
    assert claims(files(catalog)[0]) == (None, [])


def test_a_table_gets_another_order_when_it_is_configured(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 50))
    replace(catalog, day(1), rows(day(1), 50), target=sorted_by("host"))
    assert order(catalog) == ["2 ASC NULLS FIRST"]
    replace(catalog, day(2), rows(day(2), 50), target=sorted_by("count desc"))
    assert order(catalog) == ["4 DESC NULLS LAST"]
    versions = table(catalog).metadata_location
    replace(catalog, day(3), rows(day(3), 50))
    assert order(catalog) == ["4 DESC NULLS LAST"]
    assert versions != table(catalog).metadata_location
    assert sorted(file.sort_order_id or 0 for file in files(catalog)) == [0, 0, 1, 2]
    replace(catalog, day(4), rows(day(4), 50), target=sorted_by("host"))
    assert len(table(catalog).sort_orders()) == 3
    replace(catalog, day(5), rows(day(5), 50), target=sorted_by())
    assert order(catalog) == []
    assert held(catalog).num_rows == 300


def test_order_and_partition_change_together(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 50))
    replace(catalog, day(1), rows(day(1), 50), target=sorted_by("time", partition=("bucket(2, host)",)))
    assert order(catalog) == ["1 ASC NULLS FIRST"]
    assert [field.name for field in table(catalog).spec().fields] == ["host_bucket_2"]


def test_an_unknown_column_is_found_before_rows_are_read(catalog: Catalog) -> None:
    def unread() -> Iterator[pa.RecordBatch]:
        pytest.fail("rows were read")
        yield

    for _ in range(2):
        with pytest.raises(SchemaConflict, match=r"sorted by 'hots': .* only the columns time, host, value, count"):
            replace_window(load_of(catalog, sorted_by("hots"), Batches(SCHEMA, unread()), day(0), PROVENANCE))
        assert not catalog.list_namespaces() or not catalog.list_tables("telemetry")
    replace(catalog, day(0), rows(day(0), 50))
    with pytest.raises(SchemaConflict, match="sorted by 'hots'"):
        replace_window(load_of(catalog, sorted_by("host", "hots"), Batches(SCHEMA, unread()), day(0), PROVENANCE))
    assert order(catalog) == []


def test_rows_beside_a_split_window_claim_nothing(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 240), target=sorted_by("host", "time"))
    replace(catalog, hours(0, 6, 12), rows(hours(0, 6, 12), 10), target=sorted_by("host", "time"))
    kept, new = sorted(files(catalog), key=lambda file: file.record_count, reverse=True)
    assert (kept.record_count, new.record_count) == (180, 10)
    assert claims(kept) == (None, [])
    assert claims(new)[0] == table(catalog).sort_order().order_id


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(run_bytes=2**20, chunk_bytes=2**14, round_bytes=2**18, runs=4)
    monkeypatch.setattr(external_sort.sorted_batches, "__defaults__", (limits,))


@pytest.mark.parametrize(
    "partition",
    [
        ("bucket(3, host)",),
        pytest.param((), marks=pytest.mark.slow),
        pytest.param(("day(time)",), marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("small_limits")
def test_files_of_a_partition_do_not_overlap(catalog: Catalog, partition: tuple[str, ...]) -> None:
    target = sorted_by("host", "count desc", size=60_000, partition=partition)
    pieces = [rows(hours(0, hour, hour + 3), 20_000, value=hour / 7) for hour in range(0, 48, 3)]
    replace(catalog, day(0, 2), *pieces, target=target)
    by_partition: dict[str, list[pa.Table]] = {}
    for file in files(catalog):
        assert claims(file) == (1, [(1, False, True), (3, True, False)])
        by_partition.setdefault(str(file.partition), []).append(content(file))
    assert len(by_partition) == {"day(time)": 2, "bucket(3, host)": 3}.get("".join(partition), 1)
    assert any(len(tables) > 1 for tables in by_partition.values())
    for tables in by_partition.values():
        ends = sorted([(key(found, 0), key(found, len(found) - 1)) for found in tables])
        assert all(this[1] <= following[0] for this, following in pairwise(ends))
        for found in tables:
            assert found.select(["host", "count"]) == found.select(["host", "count"]).sort_by(
                [("host", "ascending"), ("count", "descending")]
            )
    assert held(catalog).num_rows == 320_000
    assert sorted(held(catalog)["value"].to_pylist()) == sorted(
        value for piece in pieces for value in piece["value"].to_pylist()
    )


def key(found: pa.Table, row: int) -> tuple[str, int]:
    return found["host"][row].as_py(), -found["count"][row].as_py()


@pytest.mark.usefixtures("small_limits")
def test_other_engines_read_the_same(catalog: Catalog) -> None:
    import duckdb
    import polars as pl
    from duckdb_extensions import import_extension

    pieces = [rows(hours(0, hour, hour + 6), 20_000, value=hour) for hour in range(0, 24, 6)]
    replace(catalog, day(0), *pieces, target=sorted_by("host", "time desc"))
    connection = duckdb.connect()
    for extension in ("avro", "iceberg"):
        import_extension(extension, con=connection)
        connection.load_extension(extension)
    location = table(catalog).metadata_location
    query = "select count(*), sum(value), sum(count) from iceberg_scan('{}') where host = 'host-3' and count > 10000"
    expected = [
        row for piece in pieces for row in piece.to_pylist() if row["host"] == "host-3" and row["count"] > 10000
    ]
    wanted = (len(expected), sum(row["value"] for row in expected), sum(row["count"] for row in expected))
    assert connection.sql(query.format(location)).fetchone() == wanted
    scanned = pl.scan_iceberg(table(catalog)).filter((pl.col("host") == "host-3") & (pl.col("count") > 10000))
    assert scanned.select(pl.len(), pl.col("value").sum(), pl.col("count").sum()).collect().row(0) == wanted


@pytest.mark.usefixtures("small_limits")
def test_a_stream_that_breaks_changes_nothing(catalog: Catalog) -> None:
    target = sorted_by("host")
    replace(catalog, day(0), rows(day(0), 100), target=target)
    before = held(catalog)

    def breaking() -> Iterator[pa.RecordBatch]:
        for hour in range(10):
            yield rows(hours(0, hour, hour + 1), 20_000)
        raise RuntimeError("the stream broke")

    with pytest.raises(LakeError, match="the stream broke"):
        replace_window(load_of(catalog, target, Batches(SCHEMA, breaking()), day(0), PROVENANCE))
    assert held(catalog) == before


def test_upserts_are_sorted_and_the_last_of_a_point_wins(catalog: Catalog) -> None:
    target = changed(sorted_by("value desc", partition=()), key=("host",))
    replace(catalog, day(0), rows(day(0), 700), target=target)
    points = rows(day(0), 700).slice(0, 70)
    coming = [points.set_column(2, "value", pa.array([float(number)] * 70)) for number in (10_000, -5)]
    upsert_window(load_of(catalog, target, Batches(SCHEMA, coming), day(0), PROVENANCE))
    (file,) = files(catalog)
    assert claims(file) == (1, [(2, True, False)])
    assert content(file)["value"].to_pylist() == [*(float(value) for value in range(699, 69, -1)), *[-5.0] * 70]


def test_appended_files_are_sorted(catalog: Catalog) -> None:
    target = sorted_by("host", "time")

    @contextmanager
    def read(window: Window) -> Iterator[Batches]:
        yield Batches(SCHEMA, [rows(window, 70)])

    for number in range(2):
        append_window(load_of(catalog, target, read, day(number), PROVENANCE))
    assert [claims(file)[0] for file in files(catalog)] == [1, 1]
    for file in files(catalog):
        assert content(file) == content(file).sort_by([("host", "ascending"), ("time", "ascending")])


def test_rows_in_quarantine_are_not_sorted(catalog: Catalog) -> None:
    target = changed(sorted_by("host"), types=TypeOptions(on_type_conflict=OnTypeConflict.QUARANTINE))
    replace(catalog, day(0), rows(day(0), 10), target=target)
    texts = rows(day(1), 10).set_column(3, "count", pa.array(["many"] * 10))
    assert replace(catalog, day(1), texts, target=target).quarantined_rows == 10
    assert catalog.load_table(("telemetry", "cpu__quarantine")).sort_order().fields == []
