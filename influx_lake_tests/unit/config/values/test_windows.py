from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.windows import Every, Scheme, Window, merged, parse_moment, utc_text, window_of

# Zones whose clocks do what breaks naive arithmetic: change at midnight, by half an hour, or lose a whole day.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]
moments = st.timedeltas(timedelta(0), timedelta(days=365 * 47)).map(lambda age: datetime(1990, 1, 1, tzinfo=UTC) + age)


@st.composite
def schemes(draw: st.DrawFn) -> Scheme:
    every = draw(st.sampled_from(Every))
    zone = "UTC" if every is Every.HOUR else draw(st.sampled_from(ZONES))
    return Scheme(every, window_of(every, zone, draw(moments)).start, zone)


@given(schemes())
def test_windows_tile_time(scheme: Scheme) -> None:
    windows = list(islice(scheme.windows(scheme.start, scheme.start + timedelta(days=4000)), 100))
    assert windows[0].start == scheme.start
    assert all(one.end == two.start for one, two in pairwise(windows))


@given(schemes())
def test_every_window_has_its_own_key(scheme: Scheme) -> None:
    windows = list(islice(scheme.windows(scheme.start, scheme.start + timedelta(days=4000)), 100))
    assert len({scheme.key(window) for window in windows}) == len(windows)


@given(schemes(), moments)
def test_a_moment_is_in_its_window(scheme: Scheme, moment: datetime) -> None:
    window = scheme.window_at(moment)
    assert window.start <= moment < window.end
    assert scheme.window_at(window.start) == window
    assert scheme.window_at(window.end - timedelta(microseconds=1)) == window


@given(schemes(), moments, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_windows_cover_what_is_requested_and_touch_nothing_else(
    scheme: Scheme, begin: datetime, length: timedelta
) -> None:
    begin = max(begin, scheme.start)
    windows = list(scheme.windows(begin, begin + length))
    if not length:
        assert windows == []
        return
    assert windows[0].start <= begin < windows[0].end
    assert windows[-1].start < begin + length <= windows[-1].end


@given(schemes(), st.timedeltas(timedelta(0), timedelta(days=400)), st.timedeltas(timedelta(0), timedelta(days=3)))
def test_closed_windows_are_those_that_ended_before_the_lag(scheme: Scheme, age: timedelta, lag: timedelta) -> None:
    now = scheme.start + age
    closed = list(islice(scheme.closed_windows(now, lag), 10_000))
    assert all(window.end <= now - lag for window in closed)
    following = scheme.window_at(closed[-1].end) if closed else scheme.window_at(scheme.start)
    assert following.end > now - lag


def test_days_follow_the_clocks_of_their_zone() -> None:
    zone = ZoneInfo("Europe/Berlin")
    scheme = Scheme(Every.DAY, datetime(2026, 3, 28, tzinfo=zone), "Europe/Berlin")
    days = list(islice(scheme.windows(scheme.start, scheme.start + timedelta(days=3)), 3))
    assert [(day.end - day.start) / timedelta(hours=1) for day in days] == [24, 23, 24]
    assert [scheme.key(day) for day in days] == ["2026-03-28", "2026-03-29", "2026-03-30"]


def test_a_day_that_a_zone_skipped_is_no_window() -> None:
    scheme = Scheme(Every.DAY, datetime(2011, 12, 29, tzinfo=ZoneInfo("Pacific/Apia")), "Pacific/Apia")
    keys = [scheme.key(window) for window in islice(scheme.windows(scheme.start, scheme.start + timedelta(days=3)), 3)]
    assert keys == ["2011-12-29", "2011-12-31", "2012-01-01"]


def test_keys() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    assert Scheme(Every.HOUR, start).key(Window(start, start + timedelta(hours=1))) == "2026-06-01-00:00"
    assert Scheme(Every.WEEK, start).key(Window(start, start + timedelta(days=7))) == "2026-06-01"


@pytest.mark.parametrize(
    ("every", "start", "zone", "message"),
    [
        (Every.DAY, datetime(2026, 1, 1, 1, tzinfo=UTC), "UTC", "is not where a day starts in UTC"),
        (Every.WEEK, datetime(2026, 1, 1, tzinfo=UTC), "UTC", "is not where a week starts"),
        (Every.MONTH, datetime(2026, 1, 1, tzinfo=UTC), "Europe/Berlin", "in Europe/Berlin"),
        (Every.HOUR, datetime(2026, 1, 1, tzinfo=UTC), "Europe/Berlin", "hours are cut in UTC"),
    ],
)
def test_a_scheme_starts_where_its_windows_do(every: Every, start: datetime, zone: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scheme(every, start, zone)


@given(moments, st.timedeltas(timedelta(microseconds=1), timedelta(days=400)))
def test_windows_survive_being_written(start: datetime, length: timedelta) -> None:
    window = Window(start, start + length)
    assert Window.parse(str(window)) == window
    assert window.end_us - window.start_us == length // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC)),  # noqa: DTZ001
    ],
)
def test_a_window_is_an_interval_of_known_time(start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(start, end)


@pytest.mark.parametrize("text", ["", "2026-01-01", "2026-01-01/", "a/b", "2026-01-02/2026-01-01"])
def test_not_a_window(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Window.parse(text)


def test_moments() -> None:
    assert parse_moment("2026-01-02") == datetime(2026, 1, 2, tzinfo=UTC)
    assert parse_moment("2026-01-02T01:00:00+01:00") == datetime(2026, 1, 2, tzinfo=UTC)
    assert utc_text(datetime(2026, 1, 2, 1, tzinfo=ZoneInfo("Europe/Berlin"))) == "2026-01-02T00:00:00Z"


def hours(start: int, end: int) -> Window:
    return Window(datetime(2026, 1, 1, start, tzinfo=UTC), datetime(2026, 1, 1, end, tzinfo=UTC))


def test_windows_that_touch_are_merged() -> None:
    assert merged([hours(5, 6), hours(1, 2), hours(2, 3), hours(5, 6)]) == (hours(1, 3), hours(5, 6))
    assert merged([]) == ()


def test_windows_that_touch_share_no_time() -> None:
    window = hours(2, 4)
    assert [window.overlaps(each) for each in (hours(1, 2), hours(1, 3), hours(4, 5))] == [False, True, False]
    assert [window.contains(each) for each in (hours(2, 4), hours(3, 4), hours(1, 4))] == [True, True, False]
    assert window.overlaps_any([hours(0, 1), hours(3, 5)])
    assert not window.overlaps_any([])


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00.000000001Z", "2026-01-01T00:00:00,0000001+02:00"])
def test_a_bound_finer_than_a_microsecond_is_refused_and_not_cut(text: str) -> None:
    with pytest.raises(ValueError, match="finer than a microsecond"):
        parse_moment(text)


def test_digits_that_say_nothing_are_taken() -> None:
    assert utc_text(parse_moment("2026-01-01T00:00:00.123456000Z")) == "2026-01-01T00:00:00.123456Z"
