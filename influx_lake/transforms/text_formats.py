"""Parses strings and integers by `formats`."""

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


def check_format(column: str, source: pa.DataType, target: pa.DataType, form: Format | None) -> bool:
    """Whether values are parsed by a format, or strings as ISO 8601; else they are cast.

    Raises:
        SchemaConflict: The format does not apply to the type.
    """
    is_time = pa.types.is_timestamp(target) or pa.types.is_date(target)
    if form is None and not (is_time and pa.types.is_string(source)):
        if is_time and pa.types.is_integer(source):
            raise SchemaConflict(
                f"column {column!r} is an integer, and `types` makes it a time without a unit",
                remedy=f"Set the unit: formats: {{{column}: unix}}, or unix_ms, unix_us, unix_ns",
            )
        return False
    if pa.types.is_string(source) or (isinstance(form, UnixTime) and pa.types.is_integer(source)):
        return True
    raise SchemaConflict(
        f"column {column!r} is {source}, and this format is for strings",
        remedy=f"Remove {column!r} from `formats`",
    )


def parsed(column: str, values: pa.Array, kind: pa.DataType, form: Format | None) -> pa.Array | None:
    """Parsed values; None where they are cast instead.

    Raises:
        DataRefused: A value does not match the format, or exceeds the type.
    """
    is_time = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    if form is None and not (is_time and pa.types.is_string(values.type)):
        return None
    try:
        made = _iso_8601(values, kind) if form is None else _read(form, column, values, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataRefused(f"column {column!r} has a value that cannot be parsed: {error}") from None
    if made.null_count != values.null_count:
        raise DataRefused(f"column {column!r} has a value that does not match its format in `formats`")
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
    """Numbers as strings with a decimal point and without thousands separators."""
    if form.grouping:
        group, point = re.escape(form.grouping), re.escape(form.point)
        pattern = rf"^[+-]?(\d{{1,3}}({group}\d{{3}})+|\d+)({point}\d*)?$"
        if not pc.all(pc.match_substring_regex(values, pattern)).as_py():
            raise DataRefused(f"column {column!r} has numbers that do not match `formats`")
        values = pc.replace_substring(values, form.grouping, "")
    if form.point != ".":
        if pc.any(pc.match_substring(values, ".")).as_py():
            raise DataRefused(f"column {column!r} has numbers with a point, and `formats` shows {form.point}")
        values = pc.replace_substring(values, form.point, ".")
    return values


def _iso_8601(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Times in ISO 8601; without a zone they are in UTC."""
    if pa.types.is_date(kind):
        return values.cast(kind)
    zoned, nothing = pc.match_substring_regex(values, _WITH_ZONE), pa.scalar(None, pa.string())
    target = pc.if_else(zoned, values, nothing).cast(pa.timestamp("us", "UTC"))
    bare = pc.if_else(zoned, nothing, values).cast(pa.timestamp("us"))
    return pc.coalesce(target, pc.assume_timezone(bare, "UTC")).cast(kind)


def _as_time(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp(values.type.unit)).cast(kind)
    if values.type.tz is None:
        values = pc.assume_timezone(values, "UTC")
    return values.cast(pa.timestamp("us", "UTC")).cast(kind)
