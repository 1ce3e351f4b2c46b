"""The windows that closed, and which of them are missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment, window_of
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.replication.planning.closed import closed_windows
from influx_lake_tests.unit.replication.loading import CPU

START = parse_moment("2026-03-01")


def of(every: Every, timezone: str = "UTC", start: datetime = START) -> Measurement:
    return replace(CPU, scheme=Scheme(every, start, timezone), lag=timedelta(minutes=10))


def one_by_one(measurement: Measurement, now: datetime) -> list[Window]:
    return list(measurement.scheme.closed_windows(now, measurement.lag))


@pytest.mark.parametrize(
    ("every", "timezone"),
    [(Every.HOUR, "UTC"), (Every.DAY, "Europe/Berlin"), (Every.MONTH, "UTC"), (Every.WEEK, "UTC")],
)
@given(st.integers(0, 70 * 24), st.lists(st.tuples(st.integers(0, 70 * 24), st.integers(1, 400)), max_size=5))
def test_missing_are_those_that_the_table_does_not_hold_as_a_whole(
    every: Every, timezone: str, hours: int, held: list[tuple[int, int]]
) -> None:
    measurement = of(every, timezone, window_of(every, timezone, START).start)
    now = START + timedelta(hours=hours)
    coverage = Coverage()
    for begin, length in held:
        start = START + timedelta(hours=begin)
        coverage = coverage.adding(Window(start, start + timedelta(hours=length)))
    closed = closed_windows(measurement, now)
    missing = closed.missing(coverage)
    assert list(closed) == one_by_one(measurement, now)
    assert list(missing) == coverage.missing(closed)
    assert len(missing) == len(list(missing))
    assert missing[-3:] == tuple(missing)[-3:]
    assert all(missing[place] == each for place, each in enumerate(missing))
    for moment in (START - timedelta(hours=1), START + timedelta(hours=hours // 2), now):
        assert missing.before(moment) == sum(each.start < moment for each in missing)


def test_measurements_that_begin_later_share_the_windows_of_others() -> None:
    now = START + timedelta(days=20)
    whole, later = (closed_windows(of(Every.HOUR, start=START + timedelta(days=days)), now) for days in (0, 3))
    assert later.shared is whole.shared
    assert list(later) == one_by_one(of(Every.HOUR, start=START + timedelta(days=3)), now)
    earlier = of(Every.HOUR, start=START - timedelta(days=2))
    assert list(closed_windows(earlier, now)) == one_by_one(earlier, now)


def test_windows_that_touch_are_one_span() -> None:
    now = START + timedelta(hours=10, minutes=10)
    held = Coverage().adding(Window(START + timedelta(hours=3), START + timedelta(hours=5)))
    missing = closed_windows(of(Every.HOUR), now).missing(held)
    assert missing.spans == (
        Window(START, START + timedelta(hours=3)),
        Window(START + timedelta(hours=5), START + timedelta(hours=10)),
    )
