"""The Flux scripts that are sent to InfluxDB 2. Names are quoted by `literal`, times formatted by `moment`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.config.values.windows import Window
from influx_lake.sources.conditions import joined

# The times that Flux supports: an int64 of nanoseconds, cut to whole seconds.
_EARLIEST = datetime(1677, 9, 21, 0, 12, 44, tzinfo=UTC)
_LATEST = datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC)
_ALL = Window(_EARLIEST, _LATEST)

_TYPES = 'import "types"\n'
_WORDS = {
    ColumnType.FLOAT: "float",
    ColumnType.INTEGER: "int",
    ColumnType.UINTEGER: "uint",
    ColumnType.BOOLEAN: "bool",
    ColumnType.STRING: "string",
}
# Without a start Flux reads the last 30 days.
_SCHEMA = 'import "influxdata/influxdb/schema"\n'


def cardinality(bucket: str, measurement: str | None) -> str:
    """The number of series of a bucket, or of a measurement in it."""
    only = "" if measurement is None else f", predicate: (r) => r._measurement == {literal(measurement)}"
    return (
        'import "influxdata/influxdb"\n'
        f"influxdb.cardinality(bucket: {literal(bucket)}, start: {moment(_EARLIEST)}, stop: {moment(_LATEST)}{only})"
    )


def measurements(bucket: str) -> str:
    return f"{_SCHEMA}schema.measurements(bucket: {literal(bucket)}, start: {moment(_EARLIEST)})"


def points(bucket: str, measurement: str, tags: Iterable[str], window: Window, condition: str | None = None) -> str:
    """The window's points, one row for each value: a table for each field of each series, consecutive for a series.

    Args:
        bucket: The bucket.
        measurement: The measurement.
        tags: All of its tags.
        window: The window.
        condition: The condition on a value `r`.
    """
    return f"{_of(bucket, measurement, window)}{_filtered(condition)}{_by_series(tags)}"


def texts(
    bucket: str, measurement: str, tags: Iterable[str], window: Window, series: Mapping[str, str], field: str
) -> str:
    """The non-empty strings of a field in a window, for the series with these tags and perhaps others."""
    wanted = {"_field": field, **series}
    same = " and ".join(f"r[{literal(name)}] == {literal(value)}" for name, value in wanted.items())
    return f'{_of(bucket, measurement, window)} |> filter(fn: (r) => {same} and r._value != ""){_by_series(tags)}'


def counts(
    bucket: str,
    measurement: str,
    window: Window,
    condition: str | None = None,
    kinds: Mapping[str, Collection[ColumnType]] = MappingProxyType({}),
) -> str:
    """The number of values of each field in a window, and 0 for no field, so that there is always a row.

    Args:
        bucket: The bucket.
        measurement: The measurement.
        window: The window.
        condition: The condition on a value `r`.
        kinds: The types to count, for fields of which not all types are.
    """
    typed = "".join(_filtered(_of_kinds(field, types)) for field, types in kinds.items())
    return (
        f'import "array"\n{_TYPES if typed else ""}'
        f"counted = {_of(bucket, measurement, window)}{_filtered(condition)}{typed} |> count() "
        '|> group(columns: ["_field"]) |> sum() |> keep(columns: ["_field", "_value"])\n'
        'nothing = array.from(rows: [{_field: "", _value: 0}]) |> group(columns: ["_field"])\n'
        "union(tables: [nothing, counted])"
    )


def first_time(bucket: str, measurement: str) -> str:
    """The time of the oldest point, in a row of its own, and another row in any case."""
    return (
        f'import "array"\n'
        f"first = {_of(bucket, measurement, _ALL)} |> first() "
        "|> map(fn: (r) => ({_value: int(v: r._time)})) |> group() |> min()\n"
        'answered = array.from(rows: [{_field: "answered", _value: 0}])\n'
        'union(tables: [first |> map(fn: (r) => ({_field: "first", _value: r._value})), answered])'
    )


ANSWERING = 'import "array"\narray.from(rows: [{_value: "it answers"}])'
"""A query with one row for any bucket."""


def samples(bucket: str, measurement: str) -> str:
    """The oldest and the newest value of each field of each series, which show the measurement's columns and types."""
    rows = _of(bucket, measurement, _ALL)
    return "\n".join(
        f'{rows} |> {end}() |> drop(columns: ["_start", "_stop", "_measurement"]) |> yield(name: "{end}")'
        for end in ("first", "last")
    )


def literal(text: str) -> str:
    """A quoted string; `${` would start an expression."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


def moment(time: datetime) -> str:
    return f"{min(max(time.astimezone(UTC), _EARLIEST), _LATEST).replace(tzinfo=None).isoformat()}Z"


def one_of(fields: Iterable[str]) -> str:
    """The condition that a value `r` is of one of some fields."""
    return joined(" or ", [f"r._field == {literal(field)}" for field in fields])


def none_of(fields: Iterable[str]) -> str:
    """The condition that a value `r` is of none of some fields."""
    return joined(" and ", [f"r._field != {literal(field)}" for field in fields])


def _of_kinds(field: str, kinds: Iterable[ColumnType]) -> str:
    types = (f"types.isType(v: r._value, type: {literal(_WORDS[kind])})" for kind in kinds)
    return " or ".join((f"r._field != {literal(field)}", *types))


def _filtered(condition: str | None) -> str:
    return "" if condition is None else f" |> filter(fn: (r) => {condition})"


def _by_series(tags: Iterable[str]) -> str:
    """Sorts the tables without changing them.

    `drop` and `keep` would save half of the bytes, but change the order of the tables.
    """
    keys = ", ".join(literal(key) for key in (*tags, "_field"))
    return f" |> group(columns: [{keys}])"


def _of(bucket: str, measurement: str, window: Window) -> str:
    return (
        f"from(bucket: {literal(bucket)}) |> range(start: {moment(window.start)}, stop: {moment(window.end)}) "
        f"|> filter(fn: (r) => r._measurement == {literal(measurement)})"
    )
