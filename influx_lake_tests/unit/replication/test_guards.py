"""What stops a window, and that the table is as it was then."""

from __future__ import annotations

from dataclasses import replace as changed

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import OnShrink
from influx_lake.config.measurements.guards import parse_tolerance
from influx_lake.errors import ForeignTable, WindowShrank, WindowTooLarge
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import OWNER
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import APPENDING, CPU, UPSERTING, day, exact, held, load


@pytest.fixture
def shrunk(source: FakeSource, catalog: Catalog) -> FakeSource:
    """A source that had 1,010 points when they were loaded, and has 1,000 of them now and 3 others."""
    source.put(day(0), 1000)
    source.put(day(0), 10, host="lost", value=5.0)
    load(source, catalog, day(0))
    source.forget("lost")
    source.put(day(0), 3, host="new")
    return source


def test_what_would_be_lost_is_counted(shrunk: FakeSource, catalog: Catalog) -> None:
    before = catalog.load_table(CPU.identifier).metadata_location
    with pytest.raises(WindowShrank, match=r"only 1,003 rows .* holds 1,010: .* would lose 7 \(0\.7%\)"):
        load(shrunk, catalog, day(0))
    assert catalog.load_table(CPU.identifier).metadata_location == before


@pytest.mark.parametrize(("tolerance", "stops"), [("6", True), ("7", False), ("0.6%", True), ("0.7 %", False)])
def test_a_tolerance(shrunk: FakeSource, catalog: Catalog, tolerance: str, stops: bool) -> None:
    tolerant = changed(CPU, shrink_tolerance=parse_tolerance(tolerance))
    if stops:
        with pytest.raises(WindowShrank, match="may go"):
            load(shrunk, catalog, day(0), tolerant)
    else:
        load(shrunk, catalog, day(0), tolerant)
        assert exact(shrunk, catalog)


def test_merging_keeps_what_the_source_no_longer_has(shrunk: FakeSource, catalog: Catalog) -> None:
    merging = changed(CPU, on_shrink=OnShrink.MERGE)
    shrunk.forget("a")
    shrunk.put(day(0), 1000, value=9.0)
    result = load(shrunk, catalog, day(0), merging)
    assert (result.rows, result.previous_rows) == (1013, 1010)
    hosts = held(catalog).group_by("host").aggregate([("value", "max"), ("value", "count")]).to_pylist()
    found = {row["host"]: (row["value_count"], row["value_max"]) for row in hosts}
    assert found == {"a": (1000, 9.0), "lost": (10, 5.0), "new": (3, 0.0)}
    summary = catalog.load_table(CPU.identifier).current_snapshot().summary  # type: ignore[union-attr]
    assert summary is not None
    assert summary["influx-lake.kept-rows"] == "10"
    again = load(shrunk, catalog, day(0), merging)
    assert again.rows == 1013
    assert held(catalog).num_rows == 1013


def test_merging_replaces_where_nothing_is_missing(source: FakeSource, catalog: Catalog) -> None:
    merging = changed(CPU, on_shrink=OnShrink.MERGE)
    for count in (10, 20):
        source.put(day(0), count, host=f"h{count}")
        load(source, catalog, day(0), merging)
        assert exact(source, catalog)


def test_replacing_believes_the_source(shrunk: FakeSource, catalog: Catalog) -> None:
    load(shrunk, catalog, day(0), changed(CPU, on_shrink=OnShrink.REPLACE))
    assert exact(shrunk, catalog)


@pytest.mark.parametrize("of", [CPU, APPENDING, UPSERTING])
def test_a_window_of_too_many_rows_stops_early(
    source: FakeSource, catalog: Catalog, of: object, tmp_path: object
) -> None:
    source.put(day(0), 500)
    limited = changed(of, max_window_rows=500)  # type: ignore[type-var]
    load(source, catalog, day(0), limited)  # type: ignore[arg-type]
    source.put(day(1), 501)
    with pytest.raises(WindowTooLarge, match="more than 500 rows"):
        load(source, catalog, day(1), limited)  # type: ignore[arg-type]
    assert held(catalog).num_rows == 500


@pytest.mark.parametrize("of", [CPU, APPENDING, UPSERTING])
def test_a_table_of_another_source_is_refused_until_it_is_adopted(
    source: FakeSource, catalog: Catalog, of: object
) -> None:
    source.put(day(0), 5)
    load(source, catalog, day(0))
    other = FakeSource("fake://elsewhere/telemetry")
    other.put(day(1), 7)
    with pytest.raises(ForeignTable, match=r"holds the rows of fake://here/telemetry.*adopt"):
        load(other, catalog, day(1), of)  # type: ignore[arg-type]
    assert held(catalog).num_rows == 5
    load(other, catalog, day(1), changed(of, adopt=True))  # type: ignore[type-var,arg-type]
    assert held(catalog).num_rows == 12
    assert table_state(catalog.load_table(CPU.identifier)).owner == other.identity
    load(other, catalog, day(1), of)  # type: ignore[arg-type]
    with pytest.raises(ForeignTable):
        load(source, catalog, day(0), of)  # type: ignore[arg-type]


def test_a_table_made_by_others_is_refused_only_when_it_holds_rows(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 5)
    load(source, catalog, day(0))
    theirs = catalog.load_table(CPU.identifier)
    schema, rows = theirs.schema(), theirs.scan().to_arrow()
    catalog.drop_table(CPU.identifier)
    made = catalog.create_table(CPU.identifier, schema)
    load(source, catalog, day(0))
    assert table_state(catalog.load_table(CPU.identifier)).owner == source.identity
    catalog.drop_table(CPU.identifier)
    made = catalog.create_table(("telemetry", "cpu"), schema)
    made.append(rows)
    with pytest.raises(ForeignTable, match="not loaded by influx-lake"):
        load(source, catalog, day(0))


def test_a_table_from_before_owners_were_kept_belongs_to_its_latest_load(source: FakeSource, catalog: Catalog) -> None:
    source.put(day(0), 5)
    load(source, catalog, day(0))
    with catalog.load_table(CPU.identifier).transaction() as transaction:
        transaction.remove_properties(OWNER)
    load(source, catalog, day(0))
    assert OWNER in catalog.load_table(CPU.identifier).properties


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        ("influxdb3://localhost:9999/telemetry", False),
        ("influxdb3://127.0.0.1:8181/other", True),
        ("influxdb3://influx.example.com:8181/telemetry", True),
    ],
)
def test_a_server_on_this_machine_may_get_another_port(catalog: Catalog, other: str, refused: bool) -> None:
    first, second = FakeSource("influxdb3://127.0.0.1:8181/telemetry"), FakeSource(other)
    for source in (first, second):
        source.put(day(0), 5)
    load(first, catalog, day(0))
    if refused:
        with pytest.raises(ForeignTable):
            load(second, catalog, day(0))
    else:
        load(second, catalog, day(0))
    assert exact(first, catalog)
