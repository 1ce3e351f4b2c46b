"""The scripts that are sent to InfluxDB 2. Names go in by `literal`, times by `moment`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.config.values.windows import Window
from influx_lake.sources.conditions import joined

# What Flux can hold: the int64 of nanoseconds, cut to whole seconds.
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
# Without it Flux looks at the last 30 days.
_SCHEMA = 'import "influxdata/influxdb/schema"\n'


def cardinality(bucket: str, measurement: str | None) -> str:
    """How many series a bucket has, or a measurement of it."""
    only = "" if measurement is None else f", predicate: (r) => r._measurement == {literal(measurement)}"
    return (
        'import "influxdata/influxdb"\n'
        f"influxdb.cardinality(bucket: {literal(bucket)}, start: {moment(_EARLIEST)}, stop: {moment(_LATEST)}{only})"
    )


def measurements(bucket: str) -> str:
    return f"{_SCHEMA}schema.measurements(bucket: {literal(bucket)}, start: {moment(_EARLIEST)})"


def points(bucket: str, measurement: str, tags: Iterable[str], window: Window, condition: str | None = None) -> str:
    """The window's points, one row per value: a table for each field of each series, those of a series in a row.

    Args:
        bucket: The bucket.
        measurement: The measurement.
        tags: All of its tags, which tell its series apart.
        window: The window.
        condition: What has to be true for a value `r`.
    """
    return f"{_of(bucket, measurement, window)}{_filtered(condition)}{_by_series(tags)}"


def texts(
    bucket: str, measurement: str, tags: Iterable[str], window: Window, series: Mapping[str, str], field: str
) -> str:
    """The window's texts of a field that are not empty, of the series that have these tags, others aside."""
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
    """How many values each field has in a window, and 0 for no field: of a window without values there is a row too.

    Args:
        bucket: The bucket.
        measurement: The measurement.
        window: The window.
        condition: What has to be true for a value `r`.
        kinds: The types of which values count, of fields of which not all do.
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
    """The time of the oldest point, in a row of its own, and a row with 0 in any case."""
    return (
        f'import "array"\n'
        f"first = {_of(bucket, measurement, _ALL)} |> first() "
        "|> map(fn: (r) => ({_value: int(v: r._time)})) |> group() |> min()\n"
        'answered = array.from(rows: [{_field: "answered", _value: 0}])\n'
        'union(tables: [first |> map(fn: (r) => ({_field: "first", _value: r._value})), answered])'
    )


ANSWERING = 'import "array"\narray.from(rows: [{_value: "it answers"}])'
"""What has one row in any bucket."""


def samples(bucket: str, measurement: str) -> str:
    """The oldest and the newest value of each field of each series: their columns and types are the measurement's."""
    rows = _of(bucket, measurement, _ALL)
    return "\n".join(
        f'{rows} |> {end}() |> drop(columns: ["_start", "_stop", "_measurement"]) |> yield(name: "{end}")'
        for end in ("first", "last")
    )


def literal(text: str) -> str:
    """Quote a text; `${` would start an expression."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


def moment(time: datetime) -> str:
    return f"{min(max(time.astimezone(UTC), _EARLIEST), _LATEST).replace(tzinfo=None).isoformat()}Z"


def one_of(fields: Iterable[str]) -> str:
    """Whether a value `r` is of one of some fields."""
    return joined(" or ", [f"r._field == {literal(field)}" for field in fields])


def none_of(fields: Iterable[str]) -> str:
    """Whether a value `r` is of none of some fields."""
    return joined(" and ", [f"r._field != {literal(field)}" for field in fields])


def _of_kinds(field: str, kinds: Iterable[ColumnType]) -> str:
    types = (f"types.isType(v: r._value, type: {literal(_WORDS[kind])})" for kind in kinds)
    return " or ".join((f"r._field != {literal(field)}", *types))


def _filtered(condition: str | None) -> str:
    return "" if condition is None else f" |> filter(fn: (r) => {condition})"


def _by_series(tags: Iterable[str]) -> str:
    """What leaves the tables as they are and sorts them.

    `drop` and `keep` would save half of the bytes, and bring the tables into another order.
    """
    keys = ", ".join(literal(key) for key in (*tags, "_field"))
    return f" |> group(columns: [{keys}])"


def _of(bucket: str, measurement: str, window: Window) -> str:
    return (
        f"from(bucket: {literal(bucket)}) |> range(start: {moment(window.start)}, stop: {moment(window.end)}) "
        f"|> filter(fn: (r) => r._measurement == {literal(measurement)})"
    )
