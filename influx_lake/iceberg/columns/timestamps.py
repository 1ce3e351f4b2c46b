"""Converts times to Iceberg's precision: microseconds, and nanoseconds in a column of their own or format version 3."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.errors import DataRefused


class FineTimesMet(DataRefused):
    """A time finer than a microsecond was met, and the table has no column for it yet.

    A caller that can read the rows again adds the column and does so; for others it is a refusal.
    """


def exact(name: str, times: pa.Array, kind: pa.DataType) -> pa.Array:
    """Convert times to microseconds.

    Raises:
        DataRefused: A time is finer than that.
    """
    try:
        return _as(times.cast(pa.timestamp("us", times.type.tz)), kind)
    except pa.ArrowInvalid as error:
        if times.type.unit != "ns":
            raise DataRefused(f"column {name!r} holds a time that microseconds cannot reach: {error}") from None
    raise DataRefused(
        f"{_finer(name, times)}; Iceberg (format version 2) stores microseconds, and cutting the rest off could make "
        "two points one",
        remedy="Write the points with microsecond precision at most, or let the measurement say nanoseconds: keep or "
        "truncate",
    )


def exact_so_far(name: str, times: pa.Array, kind: pa.DataType, beside: str) -> pa.Array:
    """Convert times to microseconds, for a table that would get another column for finer ones.

    Raises:
        FineTimesMet: A time is finer than that.
    """
    try:
        return exact(name, times, kind)
    except DataRefused:
        if times.type.unit != "ns":
            raise
    raise FineTimesMet(
        f"{_finer(name, times)}, and the table has no column {beside!r} for them yet",
        remedy="Load the window again: its rows have to be read once more to be written with that column",
    )


def floored(name: str, times: pa.Array, kind: pa.DataType) -> pa.Array:
    """Convert times to microseconds, rounding down: before 1970 too, where a cast would round up."""
    if times.type.unit != "ns":
        return exact(name, times, kind)
    cut = times.cast(pa.timestamp("us", times.type.tz), safe=False).view(pa.int64())
    first = pc.min(times.view(pa.int64())).as_py()
    if first is not None and first < 0:
        rest = pc.subtract(times.view(pa.int64()), pc.multiply(cut, 1000))
        cut = pc.subtract(cut, pc.less(rest, 0).cast(pa.int64()))
    return _as(cut, kind)


def epoch_nanoseconds(name: str, times: pa.Array) -> pa.Array:
    """Times as nanoseconds since 1970; not copied where they are in nanoseconds already.

    Raises:
        DataRefused: A time lies beyond the years that nanoseconds reach, 1677 to 2262.
    """
    return whole(name, times, pa.int64())


def whole(name: str, times: pa.Array, kind: pa.DataType) -> pa.Array:
    """Times in nanoseconds, as a type of 64 bits; not copied where they are in nanoseconds already.

    Raises:
        DataRefused: A time lies beyond the years that nanoseconds reach, 1677 to 2262.
    """
    try:
        return times.cast(pa.timestamp("ns", times.type.tz)).view(pa.int64()).view(kind)
    except pa.ArrowInvalid as error:
        raise DataRefused(f"column {name!r} holds a time that nanoseconds cannot reach: {error}") from None


def _as(times: pa.Array, kind: pa.DataType) -> pa.Array:
    """The same instants with another zone: a cast between times with and without zone could shift them."""
    return times if times.type == kind else times.view(pa.int64()).view(kind)


def _finer(name: str, times: pa.Array) -> str:
    nanoseconds = times.view(pa.int64())
    rest = pc.subtract(nanoseconds, pc.multiply(pc.divide(nanoseconds, 1000), 1000))
    exceeding = times.filter(pc.not_equal(rest, 0))
    return (
        f"column {name!r} holds {len(exceeding)} times finer than a microsecond, the first of them "
        f"{exceeding[0].cast(pa.string())}"
    )


def check_years(name: str, times: pa.Array) -> None:
    """Check that every time or date is in the years 1 to 9999, which all readers of Iceberg tables support.

    Raises:
        DataRefused: One is not.
    """
    units = 1 if pa.types.is_date32(times.type) else _UNITS_OF_A_DAY.get(getattr(times.type, "unit", ""))
    if units is None:
        return
    counted = pc.min_max(times.cast(pa.int32() if pa.types.is_date32(times.type) else pa.int64()))
    first, last = counted["min"].as_py(), counted["max"].as_py()
    if first is not None and (first < _FIRST_DAY * units or last >= _DAY_AFTER * units):
        raise DataRefused(f"column {name!r} holds a time that is not of the years 1 to 9999")


_UNITS_OF_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}
_FIRST_DAY = (date.min - date(1970, 1, 1)).days
_DAY_AFTER = (date.max - date(1970, 1, 1)).days + 1
