"""Partition specs: as asked for, changed later, and windows replaced across them."""

from __future__ import annotations

from dataclasses import replace as changed

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.tables.table_layout import parse_term
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, hours, replace, rows, table


def partitioned(*terms: str) -> TableTarget:
    return changed(TARGET, partition=tuple(parse_term(term) for term in terms))


def counted_by_duckdb(catalog: Catalog) -> int:
    import duckdb
    from duckdb_extensions import import_extension

    connection = duckdb.connect()
    for extension in ("avro", "iceberg"):
        import_extension(extension, con=connection)
        connection.load_extension(extension)
    found = connection.sql(f"select count(*) from iceberg_scan('{table(catalog).metadata_location}')").fetchone()
    assert found is not None
    return int(found[0])


def spec(catalog: Catalog) -> set[str]:
    return {f"{field.name}: {field.transform}" for field in table(catalog).spec().fields}


@pytest.mark.parametrize(
    ("terms", "fields", "files"),
    [
        ((), set(), 1),
        (("host",), {"host: identity"}, 7),
        (("bucket(4, host)", "hour(time)"), {"host_bucket_4: bucket[4]", "time_hour: hour"}, None),
        (("truncate(5, host)", "month(time)"), {"host_trunc_5: truncate[5]", "time_month: month"}, 1),
        (("year(time)", "truncate(100, count)"), {"time_year: year", "count_trunc_100: truncate[100]"}, 3),
    ],
)
def test_a_new_table_has_them(catalog: Catalog, terms: tuple[str, ...], fields: set[str], files: int | None) -> None:
    target = partitioned(*terms)
    commit = replace(catalog, day(0), rows(day(0), 300), target=target)
    assert spec(catalog) == fields
    assert files is None or commit.files_added == files
    assert replace(catalog, day(0), rows(day(0), 280), target=target).previous_rows == 300
    assert held(catalog).num_rows == 280
    assert table(catalog).scan(row_filter="host = 'host-3'").to_arrow().num_rows == 40


def test_a_table_stays_as_it_is_when_nothing_is_stated(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10), target=partitioned("bucket(4, host)"))
    replace(catalog, day(0), rows(day(0), 10))
    assert spec(catalog) == {"host_bucket_4: bucket[4]"}


def test_the_order_of_fields_is_no_difference(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10), target=partitioned("bucket(4, host)", "day(time)"))
    replace(catalog, day(0), rows(day(0), 10), target=partitioned("day(time)", "bucket(4, host)"))
    assert len(table(catalog).specs()) == 1


@pytest.mark.slow
def test_windows_are_replaced_across_specs(catalog: Catalog) -> None:
    import polars as pl

    specs = [("day(time)",), ("hour(time)", "bucket(4, host)"), (), ("bucket(8, host)",), ("day(time)",)]
    for number, terms in enumerate(specs):
        replace(catalog, day(number), rows(day(number), 240), target=partitioned(*terms))
    assert spec(catalog) == {"time_day: day"}
    last = partitioned("day(time)")
    for number in range(len(specs)):
        inside = hours(number, 6, 12)
        assert replace(catalog, inside, rows(inside, 10), target=last).previous_rows == 60
    assert held(catalog).num_rows == 5 * 190
    assert pl.scan_iceberg(table(catalog)).select(pl.len()).collect().item() == 5 * 190
    assert counted_by_duckdb(catalog) == 5 * 190
    for number in range(len(specs)):
        assert replace(catalog, day(number), rows(day(number), 3), target=last).previous_rows == 190
    listed = [task.file.file_path for task in table(catalog).scan().plan_files()]
    assert len(listed) == len(set(listed)) == 5


def test_columns_that_do_not_suit(catalog: Catalog) -> None:
    with pytest.raises(SchemaConflict, match=r"bucket\(4, hots\): it has no column 'hots', only time, host"):
        replace(catalog, day(0), rows(day(0), 1), target=partitioned("bucket(4, hots)"))
    with pytest.raises(SchemaConflict, match=r"day\(host\): 'host' is string, and day does not apply"):
        replace(catalog, day(0), rows(day(0), 1), target=partitioned("day(host)"))
    assert not catalog.namespace_exists("telemetry")


def test_a_partition_of_every_host_keeps_rows_together(catalog: Catalog) -> None:
    batch = rows(day(0), 5_000)
    many = batch.set_column(1, "host", pa.array([f"host-{i % 200}" for i in range(5_000)]))
    assert replace(catalog, day(0), many, many, target=partitioned("host")).files_added >= 200
    assert table(catalog).scan(row_filter="host = 'host-199'").to_arrow().num_rows == 50
