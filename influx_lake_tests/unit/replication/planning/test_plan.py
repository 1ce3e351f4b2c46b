"""Which windows are due."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.replication.planning.plan import plan_windows

NOW = parse_moment("2026-01-05T00:05:00")


def measurement(every: Every = Every.DAY, lag: timedelta = timedelta(minutes=10)) -> Measurement:
    return Measurement(
        key="cpu",
        name="cpu",
        source="default",
        database="telemetry",
        namespace=("telemetry",),
        table="cpu",
        scheme=Scheme(every, parse_moment("2026-01-01")),
        lag=lag,
    )


def days(windows: list[Window]) -> list[int]:
    assert all(window.end - window.start == timedelta(days=1) for window in windows)
    return [window.start.day for window in windows]


def at(text: str) -> datetime:
    return parse_moment(text)


def test_a_window_is_due_when_its_lag_has_passed() -> None:
    assert days(plan_windows(measurement(), Coverage(), NOW)) == [1, 2, 3]
    assert days(plan_windows(measurement(lag=timedelta(minutes=5)), Coverage(), NOW)) == [1, 2, 3, 4]


def test_what_the_table_holds_is_left_out() -> None:
    coverage = Coverage.parse("2026-01-02T00:00:00Z/2026-01-03T00:00:00Z")
    assert days(plan_windows(measurement(), coverage, NOW)) == [1, 3]
    assert days(plan_windows(measurement(), coverage, NOW, only_missing=False)) == [1, 2, 3]


def test_a_part_of_a_window_is_not_the_window() -> None:
    coverage = Coverage.parse("2026-01-02T00:00:00Z/2026-01-02T23:59:59Z")
    assert days(plan_windows(measurement(), coverage, NOW)) == [1, 2, 3]


def test_a_bound_inside_a_partition_takes_all_of_it() -> None:
    found = plan_windows(measurement(), Coverage(), NOW, start=at("2026-01-02T12:00"), end=at("2026-01-03T00:00:01"))
    assert days(found) == [2, 3]


def test_an_end_that_is_requested_may_reach_into_the_open_window() -> None:
    assert days(plan_windows(measurement(), Coverage(), NOW, start=at("2026-01-05"), end=at("2026-01-06"))) == [5]


def test_nothing_before_the_first_partition() -> None:
    assert days(plan_windows(measurement(), Coverage(), NOW, start=at("2025-06-01"), end=at("2026-01-02"))) == [1]


def test_a_range_can_be_cut_otherwise() -> None:
    found = plan_windows(
        measurement(), Coverage(), NOW, start=at("2025-12-31T06:00"), end=at("2026-01-01"), every=timedelta(hours=7)
    )
    assert [str(window) for window in found] == [
        "2025-12-31T06:00:00Z/2025-12-31T13:00:00Z",
        "2025-12-31T13:00:00Z/2025-12-31T20:00:00Z",
        "2025-12-31T20:00:00Z/2026-01-01T00:00:00Z",
    ]


def test_nothing_is_due_before_the_first_window_closed() -> None:
    assert plan_windows(measurement(Every.MONTH), Coverage(), NOW) == []
    assert plan_windows(measurement(), Coverage(), at("2025-01-01")) == []


def test_a_range_that_ends_before_it_starts_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        plan_windows(measurement(), Coverage(), NOW, start=at("2026-01-02"), end=at("2026-01-02"))


def test_a_piece_may_be_longer_than_time_is_counted() -> None:
    start, end, every = at("2026-01-01"), at("9999-12-31"), timedelta(weeks=999_999)
    found = plan_windows(measurement(), Coverage(), NOW, start=start, end=end, every=every)
    assert found == [Window(start, end)]
