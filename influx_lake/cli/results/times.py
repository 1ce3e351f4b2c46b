"""Formats Arrow times as ISO 8601 from their integers: Python's types lack nanoseconds, infinity
and years after 9999.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS = 86_400
_DAYS = 146_097
"""The days of 400 years, after which the calendar repeats."""
_EPOCH = date(1970, 1, 1).toordinal()
_INFINITY = {kind: 2 ** (bits - 1) - 1 for kind, bits in ((True, 32), (False, 64))}
"""DuckDB's infinity, for dates and for timestamps."""


def is_time(kind: pa.DataType) -> bool:
    """Whether a type is a date, time of day or timestamp."""
    return bool(pa.types.is_date(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind))


def as_numbers(kind: pa.DataType) -> pa.DataType:
    """A type with integers in place of times, at any depth."""
    if is_time(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    if pa.types.is_map(kind):
        return pa.map_(as_numbers(kind.key_type), as_numbers(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(as_numbers(field.type)) for field in kind])
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(as_numbers(kind.value_type), kind.list_size)
    return pa.list_(as_numbers(kind.value_type)) if pa.types.is_list(kind) else kind


def iso(value: int, kind: pa.DataType) -> str:
    """A time as ISO 8601; years without four digits have a sign, and DuckDB's infinity is named."""
    is_day = pa.types.is_date32(kind)
    if not pa.types.is_time(kind) and abs(value) == _INFINITY[is_day]:
        return "infinity" if value > 0 else "-infinity"
    if is_day:
        return _day(value)
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    seconds, fraction = divmod(value, _PER_SECOND[unit])
    if pa.types.is_time(kind):
        return _clock(seconds, fraction, unit)
    days, seconds = divmod(seconds, _SECONDS)
    zone = "+00:00" if pa.types.is_timestamp(kind) and kind.tz else ""
    return f"{_day(days)}T{_clock(seconds, fraction, unit)}{zone}"


def has_common_years(values: pa.Array) -> bool:
    """Whether all values have years of four digits."""
    if not (pa.types.is_date32(values.type) or pa.types.is_timestamp(values.type)):
        return True
    bounds = pc.min_max(values.cast(as_numbers(values.type))).as_py()
    day = 1 if pa.types.is_date32(values.type) else _SECONDS * _PER_SECOND[values.type.unit]
    first, end = ((each - _EPOCH) * day for each in (date.min.toordinal(), date.max.toordinal() + 1))
    return bounds["min"] is None or (first <= bounds["min"] and bounds["max"] < end)


def _day(days: int) -> str:
    cycles, day = divmod(days + _EPOCH - 1, _DAYS)
    found = date.fromordinal(day + 1)
    year = found.year + 400 * cycles
    return f"{year:04d}{found:-%m-%d}" if 0 <= year <= date.max.year else f"{year:+05d}{found:-%m-%d}"


def _clock(seconds: int, fraction: int, unit: str) -> str:
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    digits = 9 if unit == "ns" else 6
    return f"{text}.{fraction * 10**digits // _PER_SECOND[unit]:0{digits}d}" if fraction else text
