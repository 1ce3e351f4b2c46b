"""Checks that read the table: points there twice, silent hosts, windows unlike others, columns that differ."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.types import DoubleType

from influx_lake.checks.cadence import silences
from influx_lake.checks.duplicates import no_duplicate_points
from influx_lake.checks.gaps import gaps
from influx_lake.checks.outliers import outliers
from influx_lake.checks.quarantine import nothing_in_quarantine
from influx_lake.checks.schema_drift import schema_drift
from influx_lake.checks.source_equality import source_equals_lake
from influx_lake.errors import ConfigurationError
from influx_lake_tests.unit.checks.subjects import subject
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import CPU, day, hours, load


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.mark.parametrize("check", [no_duplicate_points, outliers, schema_drift, source_equals_lake])
def test_a_measurement_that_is_not_loaded_has_nothing_wrong(
    check: object, catalog: Catalog, source: FakeSource
) -> None:
    assert check(subject(catalog, source)).passed  # type: ignore[operator]


def test_a_point_that_is_there_twice_is_shown(catalog: Catalog, source: FakeSource) -> None:
    source.put(day(0), 10)
    load(source, catalog, day(0))
    assert no_duplicate_points(subject(catalog, source)).passed
    table = catalog.load_table(CPU.identifier)
    table.append(table.scan().to_arrow().slice(0, 2))

    found = no_duplicate_points(subject(catalog, source))

    assert not found.passed
    assert (found.figures["rows"], found.figures["duplicate_rows"], found.figures["duplicate_points"]) == (12, 2, 2)
    assert "2 of 12 rows repeat a point" in found.message


def test_a_host_that_was_silent_is_named_and_the_others_are_not(catalog: Catalog, source: FakeSource) -> None:
    source.put(day(0), 24, "steady")
    source.put(hours(0, 10), 10, "stops")
    load(source, catalog, day(0))

    [found] = silences(subject(catalog, source, gaps={"longer_than": "2h", "by": ["host"]}))

    assert (found.series, found.length) == ("host=stops", timedelta(hours=15))
    assert silences(subject(catalog, source, gaps={"longer_than": "15h", "by": ["host"]})) == []
    with pytest.raises(ConfigurationError, match=r"checks\.gaps\.by names rack, which the table does not have"):
        silences(subject(catalog, source, gaps={"longer_than": "2h", "by": ["rack"]}))


def test_windows_that_are_missing_between_others_are_gaps(catalog: Catalog, source: FakeSource) -> None:
    for number in (0, 1, 3):
        source.put(day(number), 10)
        load(source, catalog, day(number))

    assert gaps(subject(catalog, source)).figures["missing_windows"] == 1


@pytest.mark.parametrize(("rows", "usual"), [(10, True), (11, True), (3, False), (100, False)])
def test_a_window_is_compared_with_those_before_it(
    catalog: Catalog, source: FakeSource, rows: int, usual: bool
) -> None:
    for number in range(6):
        source.put(day(number), 10)
    source.put(day(6), rows)
    load(source, catalog, day(0, 7))

    found = outliers(subject(catalog, source, day(6), outliers={}))

    assert found.passed == usual, found.message
    assert (found.figures["compared"], found.figures["rows"]) == (1, rows)


def test_too_few_windows_are_no_measure(catalog: Catalog, source: FakeSource) -> None:
    source.put(day(0), 10)
    source.put(day(1), 1000)
    load(source, catalog, day(0, 2))
    assert "fewer than 5 windows are there" in outliers(subject(catalog, source, day(1), outliers={})).message


def test_a_mean_can_only_be_had_of_numbers(catalog: Catalog, source: FakeSource) -> None:
    source.put(day(0), 10)
    load(source, catalog, day(0))
    with pytest.raises(ConfigurationError, match=r"names host, which is not a numeric column of the table"):
        outliers(subject(catalog, source, outliers={"columns": ["host"]}))


def test_columns_that_the_source_no_longer_has_are_named(catalog: Catalog, source: FakeSource) -> None:
    source.put(day(0), 10)
    load(source, catalog, day(0))
    assert schema_drift(subject(catalog, source)).passed
    with catalog.load_table(CPU.identifier).update_schema() as change:
        change.add_column("former", DoubleType())

    found = schema_drift(subject(catalog, source))

    assert not found.passed
    assert "former (source: gone, table: double)" in found.message


def test_a_source_with_other_rows_is_not_equal(catalog: Catalog, source: FakeSource) -> None:
    source.put(day(0), 10, "a")
    source.put(day(0), 5, "b")
    load(source, catalog, day(0))
    assert source_equals_lake(subject(catalog, source)).passed
    source.forget("b")
    assert not source_equals_lake(subject(catalog, source)).passed


def test_nothing_in_quarantine(catalog: Catalog, source: FakeSource) -> None:
    source.put(day(0), 10)
    load(source, catalog, day(0))
    assert nothing_in_quarantine(subject(catalog, source)).passed
