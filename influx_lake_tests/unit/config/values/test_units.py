from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.units import (
    SIZE_UNITS,
    counted,
    format_duration,
    format_roughly,
    format_size,
    parse_duration,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        (" 7d ", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1500ms", timedelta(seconds=1.5)),
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
        (timedelta(seconds=5), timedelta(seconds=5)),
    ],
)
def test_durations(text: object, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "m",
        "10 minutes",
        "-1h",
        "1.5h",
        "1M",
        "1h-30m",
        "\u0661h",
        "PT10M",
        None,
        10,
        "30m1h",
        "1h1h",
        "9" * 5000 + "w",
    ],
)
def test_not_durations(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a length of time: .* 10m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9" * 15 + "d", "9" * 12 + "w", "36525d1ms"])
def test_a_duration_without_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a hundred years"):
        parse_duration(text)


@given(st.integers(0, 100 * 365 * 86_400_000).map(lambda count: timedelta(milliseconds=count)))
def test_durations_survive_being_written(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(days=2, hours=3, minutes=4, seconds=5), "2d3h4m"),
        (timedelta(minutes=59, seconds=59, milliseconds=900), "59m59s"),
        (timedelta(seconds=-3), "0s"),
    ],
)
def test_a_duration_for_people_has_no_seconds_of_hours(value: timedelta, text: str) -> None:
    assert format_roughly(value) == text


def test_things_are_counted_as_people_do() -> None:
    assert [counted(count, "row") for count in (0, 1, 1_000)] == ["0 rows", "1 row", "1,000 rows"]


@pytest.mark.parametrize("value", [timedelta(seconds=-1), timedelta(microseconds=1)])
def test_a_duration_that_cannot_be_written_is_refused(value: timedelta) -> None:
    with pytest.raises(ValueError, match="milliseconds"):
        format_duration(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512MB", 512_000_000),
        ("512 mb", 512_000_000),
        ("1GiB", 2**30),
        ("1.5kB", 1500),
        ("0.5KiB", 512),
        ("7", 7),
        (7, 7),
        ("7B", 7),
        ("1T", 10**12),
    ],
)
def test_sizes(text: object, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "5 parsecs", "1,5MB", "1MBB", None])
def test_not_sizes(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not an amount of data: .* 64MB"):
        parse_size(text)


def test_part_of_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number of bytes"):
        parse_size("0.5B")


@given(
    st.integers(0, 10**18)
    | st.builds(lambda count, unit: count * unit, st.integers(1, 999), st.sampled_from([*SIZE_UNITS.values()]))
)
def test_sizes_survive_being_written(value: int) -> None:
    assert parse_size(format_size(value)) == value


def test_a_size_is_written_in_the_unit_that_people_use() -> None:
    assert [format_size(value) for value in (512_000_000, 2**29, 1500, 0)] == ["512MB", "512MiB", "1500B", "0B"]
