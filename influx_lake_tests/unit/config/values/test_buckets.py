"""Buckets of a roll-up: whole, without gaps, where a clock would put them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.buckets import BucketRun, bucket_runs, parse_bucket
from influx_lake.config.values.windows import EPOCH, MICROSECOND, Every, Window, window_of

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana"]
LENGTHS = ["1s", "1m", "15m", "1h", "80m", "90m", "2h", "6h", "12h", "1d", "1w", "month"]


def starts(runs: tuple[BucketRun, ...], window: Window) -> list[int]:
    """Where each bucket starts."""
    ends = [*(run.start_us for run in runs[1:]), window.end_us]
    return [start for run, end in zip(runs, ends, strict=True) for start in range(run.start_us, end, run.step_us)]


def local_starts(length: str, window: Window, zone: str) -> list[str]:
    """The same, as a clock shows it."""
    found = starts(bucket_runs(parse_bucket(length), window, zone), window)
    return [f"{(EPOCH + start * MICROSECOND).astimezone(ZoneInfo(zone)):%H:%M}" for start in found]


@given(
    hours=st.integers(10 * 8766, 70 * 8766),
    length=st.sampled_from(LENGTHS),
    every=st.sampled_from(Every),
    zone=st.sampled_from(ZONES),
)
def test_a_window_is_whole_buckets(hours: int, length: str, every: Every, zone: str) -> None:
    bucket, zone = parse_bucket(length), "UTC" if every is Every.HOUR else zone
    if not bucket.divides(every):
        return
    window = window_of(every, zone, EPOCH + timedelta(hours=hours))

    runs = bucket_runs(bucket, window, zone)

    assert runs[0].start_us == window.start_us
    assert all(run.step_us > 0 for run in runs)
    assert all(one.start_us < other.start_us for one, other in pairwise(runs))
    # A run ends where a bucket of it does, but for the last hour of a day that clocks cut short.
    for run, after in pairwise(runs):
        left = (after.start_us - run.start_us) % run.step_us
        assert not left or zone == "Australia/Lord_Howe"
    if isinstance(bucket.length, Every):
        assert [start * 1000 for start in starts(runs, window)] == [
            part.start_us * 1000 for part in _parts(bucket.length, zone, window)
        ]


def _parts(every: Every, zone: str, window: Window) -> list[Window]:
    parts = [window_of(every, zone, window.start)]
    while parts[-1].end < window.end:
        parts.append(window_of(every, zone, parts[-1].end))
    return parts


SPRING, AUTUMN = datetime(2026, 3, 29, 12, tzinfo=UTC), datetime(2026, 10, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "moment", "expected"),
    [
        ("6h", SPRING, ["00:00", "06:00", "12:00", "18:00"]),
        ("6h", AUTUMN, ["00:00", "06:00", "12:00", "18:00"]),
        ("1h", SPRING, [f"{hour:02}:00" for hour in range(24) if hour != 2]),
        ("1h", AUTUMN, [f"{hour:02}:00" for hour in (0, 1, 2, 2, *range(3, 24))]),
        ("1d", AUTUMN, ["00:00"]),
    ],
)
def test_buckets_start_when_a_clock_would_say(length: str, moment: datetime, expected: list[str]) -> None:
    assert local_starts(length, window_of(Every.DAY, "Europe/Berlin", moment), "Europe/Berlin") == expected


def test_a_month_of_seconds_is_one_run() -> None:
    march = window_of(Every.MONTH, "Europe/Berlin", SPRING)

    assert bucket_runs(parse_bucket("1s"), march, "Europe/Berlin") == (BucketRun(march.start_us, 10**6),)
    assert len(bucket_runs(parse_bucket("1d"), march, "Europe/Berlin")) == 3


@pytest.mark.parametrize(
    ("text", "same"), [("day", "1d"), ("24h", "1d"), ("7d", "week"), ("60m", "hour"), ("3600s", "1h")]
)
def test_one_length_has_several_names(text: str, same: str) -> None:
    assert parse_bucket(text) == parse_bucket(same)


@pytest.mark.parametrize("text", ["7m", "2d", "0", "500ms", "5h", "soon", "", "1", "25h", "2w"])
def test_what_does_not_divide_a_day_is_no_bucket(text: str) -> None:
    with pytest.raises(ValueError, match="is not the length of a bucket"):
        parse_bucket(text)


@pytest.mark.parametrize(
    ("length", "divides"),
    [
        ("15m", {Every.HOUR, Every.DAY, Every.WEEK, Every.MONTH}),
        ("6h", {Every.DAY, Every.WEEK, Every.MONTH}),
        ("40m", {Every.DAY, Every.WEEK, Every.MONTH}),
        ("1d", {Every.DAY, Every.WEEK, Every.MONTH}),
        ("1w", {Every.WEEK}),
        ("month", {Every.MONTH}),
    ],
)
def test_which_partitions_hold_whole_buckets(length: str, divides: set[Every]) -> None:
    assert {every for every in Every if parse_bucket(length).divides(every)} == divides


def test_the_length_is_written_as_it_is_read() -> None:
    assert [str(parse_bucket(text)) for text in ("15m", "90m", "1d", "7d", "month")] == [
        "15m", "1h30m", "day", "week", "month",
    ]  # fmt: skip
    assert timedelta(hours=1) == parse_bucket("1h").length
