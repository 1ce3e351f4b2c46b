"""What has to be loaded and is not."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.replication.planning.due import count_due_windows, due_windows, newest_closed

NOW = parse_moment("2026-01-08T00:05:00")


def measurement(every: Every = Every.DAY, lag: timedelta = timedelta(minutes=5), zone: str = "UTC") -> Measurement:
    start = Scheme(every, parse_moment("2026-01-01"), "UTC").window_at(parse_moment("2026-01-01")).start
    if zone != "UTC":
        start = parse_moment("2025-12-31T23:00:00")
    return Measurement(
        key="cpu",
        name="cpu",
        source="default",
        database="telemetry",
        namespace=("telemetry",),
        table="cpu",
        scheme=Scheme(every, start, zone),
        lag=lag,
    )


def days(coverage: str = "", now: datetime = NOW, **options: object) -> list[int]:
    due = due_windows(measurement(), Coverage.parse(coverage), now, **options)  # type: ignore[arg-type]
    assert [each.key for each in due] == [f"2026-01-{each.window.start.day:02}" for each in due]
    return [each.window.start.day for each in due]


def test_the_newest_closed_window_comes_first() -> None:
    assert days() == [7, 6, 5, 4, 3, 2, 1]
    assert days(newest_first=False) == [1, 2, 3, 4, 5, 6, 7]


def test_a_window_is_not_due_before_its_lag_has_passed() -> None:
    assert days(now=NOW - timedelta(seconds=1), limit=1) == [6]
    assert days(limit=1) == [7]


def test_what_the_table_holds_is_not_due() -> None:
    assert days("2026-01-02T00:00:00Z/2026-01-04T00:00:00Z,2026-01-07T00:00:00Z/2026-01-09T00:00:00Z") == [6, 5, 4, 1]


def test_a_window_with_several_gaps_is_due_once() -> None:
    pieces = ",".join(f"2026-01-03T{hour:02}:00:00Z/2026-01-03T{hour + 1:02}:00:00Z" for hour in (2, 5, 9))
    assert days(pieces + ",2026-01-04T00:00:00Z/2026-01-08T00:00:00Z") == [3, 2, 1]


def test_nothing_is_due_before_the_first_window_closed() -> None:
    assert days(now=parse_moment("2026-01-01T12:00:00")) == []
    assert days(now=parse_moment("2024-01-01")) == []
    assert newest_closed(measurement(), parse_moment("2026-01-01T12:00:00")) is None


def test_a_long_history_costs_no_more_than_what_is_requested() -> None:
    century = parse_moment("2126-01-01")
    due = due_windows(measurement(Every.HOUR), Coverage(), century, limit=3)
    assert [each.key for each in due] == ["2125-12-31-22:00", "2125-12-31-21:00", "2125-12-31-20:00"]


@pytest.mark.parametrize("every", list(Every))
@given(data=st.data())
def test_it_is_what_the_coverage_does_not_hold(every: Every, data: st.DataObject) -> None:
    zone = "UTC" if every in (Every.HOUR, Every.WEEK) else data.draw(st.sampled_from(["UTC", "Europe/Berlin"]))
    start = parse_moment("2025-12-29" if every is Every.WEEK else "2026-01-01")
    one = measurement(zone=zone) if every is Every.DAY else measurement()
    if every is not Every.DAY:
        one = Measurement(**{**vars(measurement()), "scheme": Scheme(every, start)})
    hours = st.integers(0, 24 * 120)
    now = start + timedelta(hours=data.draw(hours))
    coverage = Coverage()
    for begin, length in data.draw(st.lists(st.tuples(hours, st.integers(1, 400)), max_size=5)):
        loaded = start + timedelta(hours=begin)
        coverage = coverage.adding(Window(loaded, loaded + timedelta(hours=length)))
    expected = coverage.missing(one.scheme.closed_windows(now, one.lag))
    assert [each.window for each in due_windows(one, coverage, now, newest_first=False)] == expected
    assert [each.window for each in due_windows(one, coverage, now)] == expected[::-1]
    counted = count_due_windows(one, coverage, now, lambda scheme, gap: len([*scheme.windows(gap.start, gap.end)]))
    assert counted == len(expected)
