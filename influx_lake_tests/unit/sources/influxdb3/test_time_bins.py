"""Any windows, grouped by arithmetic, are the same windows."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Every, Scheme, Window, window_of
from influx_lake.sources.influxdb3.time_bins import bins_of

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]


@st.composite
def some_windows(draw: st.DrawFn) -> list[Window]:
    """Windows of a scheme, some left out, around times before and after 1970 and changes of clocks."""
    every = draw(st.sampled_from(Every))
    zone = "UTC" if every is Every.HOUR else draw(st.sampled_from(ZONES))
    moment = EPOCH + timedelta(days=draw(st.integers(-3000, 22_000)))
    begin = window_of(every, zone, moment).start
    scheme = Scheme(every, begin, zone)
    length = {Every.HOUR: timedelta(days=3), Every.DAY: timedelta(days=60)}.get(every, timedelta(days=400))
    windows = list(scheme.windows(begin, begin + length))
    kept = draw(st.lists(st.booleans(), min_size=len(windows), max_size=len(windows)))
    return [window for window, keep in zip(windows, kept, strict=True) if keep] or windows[:1]


def binned(windows: list[Window], moment: datetime) -> int | None:
    """The start of the window of a time, as the server finds it."""
    time = (moment - EPOCH) // MICROSECOND
    for bins in bins_of(windows):
        if time < bins.start_us:
            return None
        if time < bins.end_us:
            return bins.start_us + (time - bins.start_us) // bins.width_us * bins.width_us
    return None


@given(some_windows())
def test_each_time_is_in_its_window(windows: list[Window]) -> None:
    for window in windows:
        for moment in (window.start, window.end - MICROSECOND, window.start + (window.end - window.start) / 2):
            assert binned(windows, moment) == window.start_us
    for before, after in pairwise(windows):
        if before.end < after.start:
            assert binned(windows, before.end) is binned(windows, after.start - MICROSECOND) is None


def test_equal_windows_are_one_stretch_and_a_change_of_clocks_makes_three() -> None:
    days = Scheme(Every.DAY, datetime.fromisoformat("2026-03-01T00:00+01:00"), "Europe/Berlin")
    windows = list(days.windows(days.start, days.start + timedelta(days=30)))
    assert [(bins.end_us - bins.start_us) // bins.width_us for bins in bins_of(windows)] == [28, 1, 2]
    hours = Scheme(Every.HOUR, EPOCH)
    assert len(list(bins_of(list(hours.windows(EPOCH, EPOCH + timedelta(days=7)))))) == 1


def test_windows_out_of_order_are_refused() -> None:
    first, second = (Window(EPOCH + timedelta(hours=hour), EPOCH + timedelta(hours=hour + 1)) for hour in (0, 1))
    with pytest.raises(ValueError, match="sorted and must not overlap"):
        list(bins_of([second, first]))
