"""Numbers in texts become exactly the numbers that they are, or stay texts."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import LandingZoneConfig
from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.landing_zone.numbers import declared_number, number_of
from influx_lake.sources.landing_zone.records import RecordReader
from influx_lake.sources.landing_zone.unreadable_part import NotHeld, WrittenFloat
from influx_lake.sources.points.cell_builder import TIMES, BadPoint

FLOAT, INTEGER, UINTEGER = ColumnType.FLOAT, ColumnType.INTEGER, ColumnType.UINTEGER


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("42", (INTEGER, 42)),
        ("-7", (INTEGER, -7)),
        (str(2**63), (UINTEGER, 2**63)),
        (str(2**64), (FLOAT, 2.0**64)),
        ("0042", None),
        ("-007", None),
        ("00.5", None),
        ("123456789012345678901", None),
        ("9" * 5000, None),
        ("12e4", (FLOAT, 120000.0)),
        ("1e400", None),
        ("-1e400", None),
        ("1e-400", None),
        ("0e-400", (FLOAT, 0.0)),
        ("5e-324", (FLOAT, 5e-324)),
        ("1.23456e-320", None),
        ("-0", (FLOAT, -0.0)),
        ("-0.0", (FLOAT, -0.0)),
        ("+1", None),
        ("1,5", None),
        ("0x10", None),
        ("1_000", None),
        ("\u0663", None),
        ("inf", None),
        ("NaN", None),
        (" 1", None),
        ("0.1000000000000000055511151231257827", (FLOAT, 0.1)),
        ("3.14159265358979323846", None),
        ("12345678901234567890.0", None),
        ("1e999999999999", None),
    ],
)
def test_a_text_is_a_number_where_it_is_exactly_one(text: str, expected: Any) -> None:
    assert repr(number_of(text)) == repr(expected)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".17g", ".16e", ".20g", ".25e"]))
def test_floats_are_read_as_programs_write_them(value: float, form: str) -> None:
    text = repr(value) if form == "r" else format(value, form)
    found = number_of(text)
    assert found is not None
    assert struct.pack("<d", float(found[1])) == struct.pack("<d", value)


@given(st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_no_number_becomes_another_one(text: str) -> None:
    found = number_of(text)
    if found is None:
        return
    if found[0] is FLOAT and "." not in text and "e" not in text.lower():
        assert int(found[1]) == int(text)
    digits = max(len(Decimal(text).normalize().as_tuple().digits), 1)
    assert (
        Decimal(f"{found[1]:.{digits - 1}e}" if found[0] is FLOAT else str(found[1])) == Decimal(text) or digits <= 17
    )
    for kind in (FLOAT, INTEGER, UINTEGER):
        exact = declared_number(text, kind)
        assert exact is None or kind is FLOAT or Decimal(exact) == Decimal(text)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("0042", INTEGER, 42),
        ("0042", FLOAT, 42.0),
        ("1e3", INTEGER, 1000),
        ("9007199254740993.0", INTEGER, 2**53 + 1),
        ("9007199254740993", FLOAT, None),
        ("123456789012345678901", INTEGER, None),
        ("123456789012345678901", FLOAT, None),
        ("18446744073709551615", UINTEGER, 2**64 - 1),
        ("-1", UINTEGER, None),
        ("1.5", INTEGER, None),
        ("1e400", FLOAT, None),
        ("1e-400", FLOAT, None),
        ("1e9999", INTEGER, None),
        ("9" * 5000, INTEGER, None),
        ("x", FLOAT, None),
    ],
)
def test_a_declared_number_is_exact_or_none(text: str, kind: ColumnType, expected: Any) -> None:
    assert declared_number(text, kind) == expected


def reader(**options: Any) -> RecordReader:
    given = {"type": "landing_zone", "path": "/in/{year}", "database": "telemetry", **options}
    return RecordReader(LandingZoneConfig.model_validate(given), "cpu")


@pytest.mark.parametrize(
    ("value", "units", "expected"),
    [
        (1748736000, "s", 1748736000 * 10**9),
        ("1748736000.123456789", "s", 1748736000123456789),
        (1748736000.5, "s", 1748736000500000000),
        (1748736000.1234567, "s", 1748736000123456700),
        (WrittenFloat("1748736000.123456789"), "s", 1748736000123456789),
        ("-0.5", "s", -500000000),
        ("1.5", "ms", 1500000),
        ("2262-04-11T23:47:16.854775806Z", "s", TIMES[-1]),
        ("1677-09-21T00:12:43.145224194Z", "s", TIMES[0]),
    ],
)
def test_times_are_exact(value: Any, units: str, expected: int) -> None:
    assert reader(timestamp_units=units).time(value) == expected


@pytest.mark.parametrize(
    "value",
    ["2262-04-11T23:47:16.854775807Z", "1677-09-21T00:12:43.145224193Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
     "1748736000.1234567891", 10**12, 10**4000, "9" * 5000, 2**63, float("inf"), float("nan"), NotHeld("1e400"), 1e300,
     True, None, "", [], "10000-01-01T00:00:00Z", "2025-02-30T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_time_is_reported(value: Any) -> None:
    with pytest.raises(BadPoint):
        reader().time(value)


def test_values_that_would_be_lost_are_reported() -> None:
    both = {"name": "cpu", "timestamp": 1, "fields": {"v": 1.0}}
    for record in (
        both | {"v": 2.0},
        both | {"v": 1},
        both | {"tags": {"host": "a"}, "host": "b"},
        {"timestamp": 1, "tags": {"host": "a"}, "fields": {"host": "b", "v": 1}},
    ):
        with pytest.raises(BadPoint, match="twice, with different values"):
            reader(tags=["host"]).point(record)
    same = reader(tags=["host"]).point(both | {"v": 1.0, "tags": {"host": "a"}, "host": "a"})
    assert same is not None
    assert (same.tags, same.fields) == ((("host", "a"),), {"v": (FLOAT, 1.0)})
    apart = reader().point(both | {"tags": {"host": "a"}, "host": "b"})
    assert apart is not None
    assert (apart.tags, apart.fields["host"]) == ((("host", "a"),), (ColumnType.STRING, "b"))
    for value in (float("inf"), NotHeld("1e400"), 10**21, {"a": 1}, [1]):
        with pytest.raises(BadPoint):
            reader().point({"timestamp": 1, "v": value})
