"""Rows that others put into a table are told of by comparisons, guards and loads, each with what mends it."""

from __future__ import annotations

import logging
from dataclasses import replace as changed

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo
from pyiceberg.table import Table

from influx_lake.checks.source_equality import outcome_of
from influx_lake.config import Measurement, OnShrink
from influx_lake.config.measurements.guards import parse_tolerance
from influx_lake.errors import RowsUnaccounted, WindowShrank
from influx_lake.iceberg.table_state import TableState, current_state, table_state
from influx_lake.replication.comparison.compare_windows import Comparison, Depth, Verdict, compare_windows
from influx_lake.replication.foreign_changes import foreign_changes
from influx_lake_tests.unit.replication.fake_source import FakeSource
from influx_lake_tests.unit.replication.loading import APPENDING, CPU, UPSERTING, day, exact, held, load

MENDS = "influx-lake replicate cpu --start 2026-01-01T00:00:00Z --end 2026-01-02T00:00:00Z --replace"
MODES = pytest.mark.parametrize("of", [CPU, APPENDING, UPSERTING], ids=["replace", "append", "upsert"])


@pytest.fixture
def days(source: FakeSource) -> FakeSource:
    for number in range(3):
        source.put(day(number), 8)
    return source


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    current_state._known.clear()


def load_all(source: FakeSource, catalog: Catalog, of: Measurement) -> None:
    load(source, catalog, day(0, 3), of)


def table(catalog: Catalog) -> Table:
    return catalog.load_table(CPU.identifier)


def state(catalog: Catalog) -> TableState:
    return table_state(table(catalog))


def rows_of_first_day(catalog: Catalog) -> int:
    """Put the rows of the first day into the table again, as somebody else; gives the snapshot."""
    found = table(catalog)
    found.append(found.scan("time < '2026-01-02T00:00:00+00:00'").to_arrow())
    return newest(catalog)


def newest(catalog: Catalog) -> int:
    snapshot = table(catalog).current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def compared(source: FakeSource, catalog: Catalog, of: Measurement, days: int = 3) -> list[Comparison]:
    return compare_windows(source, catalog, of, [day(number) for number in range(days)], depth=lambda _: Depth.PROFILE)


def verdicts(source: FakeSource, catalog: Catalog, of: Measurement, days: int = 3) -> list[Verdict]:
    return [each.verdict for each in compared(source, catalog, of, days)]


ADDED_TO_FIRST = [Verdict.ADDED, Verdict.EQUAL, Verdict.EQUAL]


@pytest.mark.parametrize(
    "of",
    [
        CPU,
        APPENDING,
        UPSERTING,
        changed(CPU, on_shrink=OnShrink.MERGE),
        changed(CPU, shrink_tolerance=parse_tolerance("100")),
    ],
    ids=["replace", "append", "upsert", "merge", "tolerant"],
)
def test_a_comparison_finds_them_and_says_who_and_what_mends_it(
    days: FakeSource, catalog: Catalog, of: Measurement
) -> None:
    load_all(days, catalog, of)
    snapshot = rows_of_first_day(catalog)
    found = compared(days, catalog, of)
    assert [each.verdict for each in found] == ADDED_TO_FIRST
    said = found[0].explanation
    assert said.startswith(
        "the lake has 8 rows more than the source, and others added rows there: append: 8 rows added"
    )
    assert f"(snapshot {snapshot})" in said
    assert said.endswith(MENDS)
    assert "lost" not in said
    check = outcome_of(found)
    assert not check.passed
    assert MENDS in check.message
    load(days, catalog, day(0), of.replacing_all())
    assert exact(days, catalog)
    assert verdicts(days, catalog, of) == [Verdict.EQUAL] * 3
    assert (state(catalog).added, state(catalog).earlier) == ((), ())


@MODES
def test_they_are_known_after_other_loads(days: FakeSource, catalog: Catalog, of: Measurement) -> None:
    load_all(days, catalog, of)
    snapshot = rows_of_first_day(catalog)
    days.put(day(3), 2)
    load(days, catalog, day(3), of)
    assert newest(catalog) != snapshot
    found = compared(days, catalog, of)
    assert [each.verdict for each in found] == ADDED_TO_FIRST
    assert f"(snapshot {snapshot})" in found[0].explanation
    others = foreign_changes(of, state(catalog), day(9).end)
    assert others.added == (day(0),)
    assert MENDS in str(others)
    assert "influx-lake verify cpu --start 2026-01-01T00:00:00Z --end 2026-01-02T00:00:00Z" in str(others)


@MODES
@pytest.mark.parametrize("number", [5, -5], ids=["not loaded", "before the start"])
def test_rows_where_nothing_was_loaded(days: FakeSource, catalog: Catalog, of: Measurement, number: int) -> None:
    load_all(days, catalog, of)
    elsewhere = FakeSource()
    elsewhere.put(day(number), 2)
    table(catalog).append(elsewhere.rows.cast(table(catalog).scan().to_arrow().schema))
    others = foreign_changes(of, state(catalog), day(9).end)
    if number < 0:
        assert "outside of the closed windows, from 2025-12-27T00:00:00Z" in str(others)
        return
    assert others.added == (day(5),)
    assert verdicts(days, catalog, of, 6) == [*[Verdict.EQUAL] * 5, Verdict.ADDED]


def test_a_guard_does_not_blame_the_source(days: FakeSource, catalog: Catalog) -> None:
    load_all(days, catalog, CPU)
    snapshot = rows_of_first_day(catalog)
    with pytest.raises(WindowShrank, match="holds 16") as raised:
        load(days, catalog, day(0))
    assert "Others added rows to the table in that time: append: 8 rows added at" in raised.value.message
    assert f"(snapshot {snapshot})" in raised.value.message
    assert MENDS in str(raised.value.remedy)
    assert "retention" not in str(raised.value)
    days.rows = days.rows.slice(0, 0)
    with pytest.raises(WindowShrank, match="no rows for the window") as raised:
        load(days, catalog, day(1))
    assert "Check the source's retention" in str(raised.value.remedy)


def test_what_a_source_forgot_is_kept_and_counted(days: FakeSource, catalog: Catalog) -> None:
    days.put(day(0), 4, host="lost")
    for of in (APPENDING, UPSERTING):
        load_all(days, catalog, of)
    days.forget("lost")
    for of in (APPENDING, UPSERTING, changed(CPU, on_shrink=OnShrink.MERGE)):
        first, *others = compared(days, catalog, of)
        assert (first.verdict, first.kept_rows, [each.kept_rows for each in others]) == (Verdict.EQUAL, 4, [0, 0])
        assert "4 rows more than the source" in first.explanation
        assert "4 more than the source has" in outcome_of([first]).message
    assert verdicts(days, catalog, CPU) == [Verdict.SHRANK, Verdict.EQUAL, Verdict.EQUAL]


def test_a_load_that_leaves_them_says_so(days: FakeSource, catalog: Catalog, caplog: pytest.LogCaptureFixture) -> None:
    load_all(days, catalog, APPENDING)
    rows_of_first_day(catalog)
    with caplog.at_level(logging.WARNING):
        assert load(days, catalog, day(0), APPENDING).rows == 16
        assert "others added rows to 2026-01-01" in caplog.text
        assert MENDS in caplog.text
        caplog.clear()
        load(days, catalog, day(1), APPENDING)
        assert caplog.text == ""
    load(days, catalog, day(0), UPSERTING)
    assert exact(days, catalog)
    assert state(catalog).added == ()


def test_an_upsert_keeps_the_points_of_others_in_mind(days: FakeSource, catalog: Catalog) -> None:
    load_all(days, catalog, UPSERTING)
    elsewhere = FakeSource()
    elsewhere.put(day(0), 2, host="theirs")
    table(catalog).append(elsewhere.rows.cast(table(catalog).scan().to_arrow().schema))
    load(days, catalog, day(0), UPSERTING)
    assert held(catalog).num_rows == 26
    assert verdicts(days, catalog, UPSERTING) == ADDED_TO_FIRST


def test_rows_that_others_took_away_again_are_not_reported(days: FakeSource, catalog: Catalog) -> None:
    load_all(days, catalog, CPU)
    elsewhere = FakeSource()
    elsewhere.put(day(0), 2, host="theirs")
    table(catalog).append(elsewhere.rows.cast(table(catalog).scan().to_arrow().schema))
    table(catalog).delete(EqualTo("host", "theirs"))
    assert state(catalog).added == ()
    assert verdicts(days, catalog, CPU) == [Verdict.EQUAL] * 3


def test_appending_where_rows_are_left_names_what_mends_it(days: FakeSource, catalog: Catalog) -> None:
    days.put(day(0), 8, host="b")
    load_all(days, catalog, APPENDING)
    table(catalog).delete("host = 'b' and time < '2026-01-01T01:00:00+00:00'")
    others = foreign_changes(APPENDING, state(catalog), day(9).end)
    assert MENDS in str(others)
    with pytest.raises(RowsUnaccounted, match="no load covers this time") as raised:
        load(days, catalog, day(0), APPENDING)
    assert MENDS.replace("cpu", "telemetry.cpu") in str(raised.value.remedy)
    load(days, catalog, day(0), APPENDING.replacing_all())
    assert exact(days, catalog)


def test_rows_that_others_wrote_anew(days: FakeSource, catalog: Catalog) -> None:
    load_all(days, catalog, CPU)
    found = table(catalog)
    rows = found.scan().to_arrow()
    found.overwrite(rows)
    assert state(catalog).others_in(day(0)) is None, "as many rows as before are none that were added"
    elsewhere = FakeSource()
    elsewhere.put(day(0), 2, host="theirs")
    table(catalog).overwrite(pa.concat_tables([rows, elsewhere.rows.cast(rows.schema)]))
    assert verdicts(days, catalog, APPENDING) == ADDED_TO_FIRST
    assert "26 rows added" in compared(days, catalog, APPENDING)[0].explanation


def test_rows_that_were_compacted_since_are_reported(days: FakeSource, catalog: Catalog) -> None:
    load_all(days, catalog, CPU)
    snapshot = rows_of_first_day(catalog)
    table(catalog).overwrite(table(catalog).scan().to_arrow())
    assert verdicts(days, catalog, CPU) == ADDED_TO_FIRST
    assert f"(snapshot {snapshot})" in compared(days, catalog, CPU)[0].explanation


@pytest.mark.slow
def test_how_many_snapshots_are_reported_after_another_load_is_bounded(days: FakeSource, catalog: Catalog) -> None:
    load_all(days, catalog, APPENDING)
    snapshots = [rows_of_first_day(catalog) for _ in range(5)]
    days.put(day(3), 2)
    load(days, catalog, day(3), APPENDING)
    said = compared(days, catalog, APPENDING)[0].explanation
    assert [str(each) in said for each in snapshots] == [False, False, True, True, True]
