"""Reads texts and whole numbers that are written in a named way."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.transforms.formats import BooleanFormat, Format, NumberFormat, TimeFormat, UnixTime
from influx_lake.errors import DataRefused, SchemaConflict
from influx_lake.iceberg.columns.exact_cast import exact_cast
from influx_lake.iceberg.columns.timestamps import check_years
from influx_lake.transforms.expressions import connect

_UNITS = {
    UnixTime.SECONDS: "s",
    UnixTime.MILLISECONDS: "ms",
    UnixTime.MICROSECONDS: "us",
    UnixTime.NANOSECONDS: "ns",
}
_WITH_ZONE = r"[T ]\d{2}:?\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$"


def check_format(column: str, here: pa.DataType, there: pa.DataType, form: Format | None) -> bool:
    """Whether values of a type are read here as others; else they are cast.

    Raises:
        SchemaConflict: The format is for other values.
    """
    is_time = pa.types.is_timestamp(there) or pa.types.is_date(there)
    if form is None and not (is_time and pa.types.is_string(here)):
        if is_time and pa.types.is_integer(here):
            raise SchemaConflict(
                f"column {column!r} is a whole number, and `types` makes a time of it without saying what it counts",
                remedy=f"Say it: formats: {{{column}: unix}}, or unix_ms, unix_us, unix_ns",
            )
        return False
    if pa.types.is_string(here) or (isinstance(form, UnixTime) and pa.types.is_integer(here)):
        return True
    raise SchemaConflict(
        f"column {column!r} is {here}, and `formats` says how texts are written",
        remedy=f"Take {column!r} out of `formats`",
    )


def parsed(column: str, values: pa.Array, kind: pa.DataType, form: Format | None) -> pa.Array | None:
    """Values as they are read; None where they are to be cast.

    Raises:
        DataRefused: One is not written like that, or the type does not hold it.
    """
    is_time = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    if form is None and not (is_time and pa.types.is_string(values.type)):
        return None
    try:
        made = _iso_8601(values, kind) if form is None else _read(form, column, values, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataRefused(f"column {column!r} is not written as expected: {error}") from None
    if made.null_count != values.null_count:
        raise DataRefused(f"column {column!r} is not written as `formats` says")
    check_years(column, made)
    return made


def _read(form: Format, column: str, values: pa.Array, kind: pa.DataType) -> pa.Array:
    match form:
        case UnixTime():
            counted = exact_cast(column, values, pa.int64())
            return _as_time(counted.cast(pa.timestamp(_UNITS[form], "UTC")), kind)
        case TimeFormat():
            return _as_time(_strptime(values, form.text), kind)
        case NumberFormat():
            return exact_cast(column, _plain_number(form, column, values), kind)
        case BooleanFormat():
            words = pc.utf8_lower(pc.utf8_trim_whitespace(values))
            true, false = (pc.equal(words, word.lower()) for word in (form.true, form.false))
            return pc.if_else(true, True, pc.if_else(false, False, pa.scalar(None, pa.bool_())))


def _strptime(values: pa.Array, form: str) -> pa.Array:
    connection = connect()
    connection.register("texts", pa.table({"value": values}).to_reader())
    found = connection.execute("SELECT try_strptime(value, ?) AS value FROM texts", [form]).to_arrow_table()
    return found.column("value").combine_chunks()


def _plain_number(form: NumberFormat, column: str, values: pa.Array) -> pa.Array:
    """Numbers as texts with a point and nothing between thousands."""
    if form.grouping:
        group, point = re.escape(form.grouping), re.escape(form.point)
        pattern = rf"^[+-]?(\d{{1,3}}({group}\d{{3}})+|\d+)({point}\d*)?$"
        if not pc.all(pc.match_substring_regex(values, pattern)).as_py():
            raise DataRefused(f"column {column!r} has numbers that are not written as `formats` shows")
        values = pc.replace_substring(values, form.grouping, "")
    if form.point != ".":
        if pc.any(pc.match_substring(values, ".")).as_py():
            raise DataRefused(f"column {column!r} has numbers with a point, and `formats` shows {form.point}")
        values = pc.replace_substring(values, form.point, ".")
    return values


def _iso_8601(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Times as ISO 8601 has them; without a zone they are UTC's."""
    if pa.types.is_date(kind):
        return values.cast(kind)
    zoned, nothing = pc.match_substring_regex(values, _WITH_ZONE), pa.scalar(None, pa.string())
    there = pc.if_else(zoned, values, nothing).cast(pa.timestamp("us", "UTC"))
    bare = pc.if_else(zoned, nothing, values).cast(pa.timestamp("us"))
    return pc.coalesce(there, pc.assume_timezone(bare, "UTC")).cast(kind)


def _as_time(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp(values.type.unit)).cast(kind)
    if values.type.tz is None:
        values = pc.assume_timezone(values, "UTC")
    return values.cast(pa.timestamp("us", "UTC")).cast(kind)
