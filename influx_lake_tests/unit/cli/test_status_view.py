"""How coverage and lags are shown."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.cli.commands.reports.status import BAR_WIDTH, coverage_bar, time_behind
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment

SCHEME = Scheme(Every.DAY, parse_moment("2026-01-01"))
YEAR = list(islice(SCHEME.windows(SCHEME.start, parse_moment("2027-01-01")), 365))


def test_one_cell_per_window_where_they_fit() -> None:
    assert coverage_bar(YEAR[:4], [YEAR[1]]) == "▕█ ██▏"


def test_many_windows_share_a_cell() -> None:
    assert coverage_bar(YEAR[:60], YEAR[:31]) == f"▕{' ' * 15}▄{'█' * 14}▏"


def test_nothing_is_expected() -> None:
    assert coverage_bar([], []) == ""


@given(st.integers(1, 365), st.sets(st.integers(0, 364)))
def test_a_full_cell_is_full_and_a_blank_one_empty(count: int, gaps: set[int]) -> None:
    expected = YEAR[:count]
    missing = [window for number, window in enumerate(expected) if number in gaps]
    bar = coverage_bar(expected, missing)[1:-1]
    assert len(bar) == min(count, BAR_WIDTH)
    assert (set(bar) == {"█"}) == (not missing)
    assert (set(bar) == {" "}) == (len(missing) == count)


def test_the_bar_does_not_depend_on_identity() -> None:
    copies = [Window.parse(str(window)) for window in YEAR[:2]]
    assert coverage_bar(YEAR[:3], copies) == "▕  █▏"


@pytest.mark.parametrize(
    ("lag", "text"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=61), "1 h 1 min"),
        (timedelta(hours=24, minutes=5), "1 d 0 h"),
        (timedelta(days=400, hours=3), "400 d 3 h"),
    ],
)
def test_time_behind(lag: timedelta, text: str) -> None:
    assert time_behind(lag) == text
