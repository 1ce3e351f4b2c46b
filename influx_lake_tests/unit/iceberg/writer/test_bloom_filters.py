"""Bloom filters: in the files, of the right size, of columns that can have them."""

from __future__ import annotations

from dataclasses import replace as changed
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import WriteOptions
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, hours, replace, rows, table

ENABLED = "write.parquet.bloom-filter-enabled.column."


def filtered(*columns: str, **properties: str) -> TableTarget:
    write = WriteOptions(bloom_filter=columns) if columns else WriteOptions()
    return changed(TARGET, write=write, properties=properties)


def paths(catalog: Catalog) -> list[str]:
    return [task.file.file_path.removeprefix("file://") for task in table(catalog).scan().plan_files()]


def filters(path: str) -> dict[str, int]:
    """The columns with a filter in every row group, with the bytes of the first."""
    footer = pq.read_metadata(path)
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    return {
        groups[0].column(i).path_in_schema: groups[0].column(i).bloom_filter_length
        for i in range(footer.num_columns)
        if all(group.column(i).bloom_filter_offset for group in groups)
    }


def is_excluded(path: str, column: str, value: object) -> bool:
    """Whether DuckDB may pass over the first row group."""
    found = duckdb.execute("select bloom_filter_excludes from parquet_bloom_probe(?, ?, ?)", [path, column, value])
    return bool(found.fetchall()[0][0])


def test_a_reader_passes_over_row_groups(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 5000), target=filtered("host", "count"))
    (path,) = paths(catalog)
    assert set(filters(path)) == {"host", "count"}
    assert not any(is_excluded(path, "host", f"host-{number}") for number in range(7))
    assert is_excluded(path, "host", "host-7")
    assert not is_excluded(path, "count", 4999)
    assert is_excluded(path, "count", 5000)
    assert table(catalog).properties[ENABLED + "host"] == "true"


def test_dictionaries_and_several_row_groups(catalog: Catalog) -> None:
    batch = rows(day(0), 5000)
    encoded = batch.set_column(1, "host", batch.column("host").dictionary_encode())
    write = WriteOptions(bloom_filter=("host",), row_group_size=2000)
    replace(catalog, day(0), encoded, target=changed(TARGET, write=write))
    (path,) = paths(catalog)
    assert pq.read_metadata(path).num_row_groups == 3
    assert set(filters(path)) == {"host"}
    assert not is_excluded(path, "host", "host-0")
    assert is_excluded(path, "host", "none such")


@pytest.mark.slow
def test_a_filter_is_as_large_as_its_values_need(catalog: Catalog) -> None:
    batch = rows(day(0), 50_000).append_column("id", pa.array([f"id-{i}" for i in range(50_000)]))
    replace(catalog, day(0), batch, target=filtered("host", "id"))
    (path,) = paths(catalog)
    sizes = filters(path)
    assert sizes["host"] < 2000 < 65_536 <= sizes["id"]
    wrong = sum(not is_excluded(path, "id", f"other-{i}") for i in range(500))
    assert wrong < 25


def test_size_and_chance_are_properties(catalog: Catalog) -> None:
    batch = rows(day(0), 50_000).append_column("id", pa.array([f"id-{i}" for i in range(50_000)]))
    sizes = []
    for properties in ({}, {"write.parquet.bloom-filter-fpp.column.id": "0.2"}):
        replace(catalog, day(0), batch, target=filtered("id", **properties))
        sizes.append(filters(paths(catalog)[0])["id"])
    assert sizes[1] < sizes[0]
    replace(catalog, day(0), batch, target=filtered("id", **{"write.parquet.bloom-filter-max-bytes": "5000"}))
    # A few bytes more: the filter's header.
    assert 2048 < filters(paths(catalog)[0])["id"] < 5000


def test_the_property_is_the_same_as_the_option(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10), target=filtered(**{ENABLED + "host": "true"}))
    assert set(filters(paths(catalog)[0])) == {"host"}


def test_what_others_asked_for_holds_until_something_is_stated(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 10))
    with table(catalog).transaction() as transaction:
        transaction.set_properties({ENABLED + "host": "true", ENABLED + "gone": "true", ENABLED + "value": "false"})
    replace(catalog, day(0), rows(day(0), 10))
    assert set(filters(paths(catalog)[0])) == {"host"}
    replace(catalog, day(0), rows(day(0), 10), target=filtered("count"))
    assert set(filters(paths(catalog)[0])) == {"count"}


def test_names_that_files_cannot_hold(catalog: Catalog) -> None:
    batch = rows(day(0), 10).append_column("host.name ü", pa.array([f"h{i}" for i in range(10)]))
    replace(catalog, day(0), batch, target=filtered("host.name ü"))
    (path,) = paths(catalog)
    (name,) = filters(path)
    assert not is_excluded(path, name, "h3")
    assert is_excluded(path, name, "h33")


def test_every_type_that_has_one(catalog: Catalog) -> None:
    batch = rows(day(0), 10).append_column("big", pa.array([Decimal(i) for i in range(10)], pa.decimal128(20, 0)))
    replace(catalog, day(0), batch, target=filtered("time", "host", "value", "count", "big"))
    assert set(filters(paths(catalog)[0])) == {"time", "host", "value", "count", "big"}


def test_rows_that_are_kept_have_them_too(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 24))
    replace(catalog, hours(0, 6, 12), target=filtered("host"))
    assert held(catalog).num_rows == 18
    assert [set(filters(path)) for path in paths(catalog)] == [{"host"}]


@pytest.mark.parametrize("exists", [False, True])
def test_columns_that_cannot_have_one(catalog: Catalog, exists: bool) -> None:
    batch = rows(day(0), 10).append_column("on", pa.array([True] * 10))
    if exists:
        replace(catalog, day(0), batch)
    with pytest.raises(SchemaConflict, match=r"bloom filter of 'on': it is a boolean, and Parquet has no"):
        replace(catalog, day(0), batch, target=filtered("on"))
    with pytest.raises(SchemaConflict, match=r"bloom filter of 'hots': it has no such column, only time, host"):
        replace(catalog, day(0), batch, target=filtered(**{ENABLED + "hots": "true"}))
    if exists:
        assert len(table(catalog).snapshots()) == 1
        assert ENABLED + "hots" not in table(catalog).properties
    else:
        assert not catalog.namespace_exists("telemetry")
