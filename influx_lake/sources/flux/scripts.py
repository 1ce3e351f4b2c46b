"""The scripts that are sent to InfluxDB 2. Names go in by `literal`, times by `moment`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from influx_lake.config.windows import Window

# What Flux can hold: the int64 of nanoseconds, cut to whole seconds.
_EARLIEST = datetime(1677, 9, 21, 0, 12, 44, tzinfo=UTC)
_LATEST = datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC)
_ALL = Window(_EARLIEST, _LATEST)

# Without it Flux looks at the last 30 days.
_SCHEMA = 'import "influxdata/influxdb/schema"\n'


def measurements(bucket: str) -> str:
    return f"{_SCHEMA}schema.measurements(bucket: {literal(bucket)}, start: {moment(_EARLIEST)})"


def points(bucket: str, measurement: str, tags: Iterable[str], window: Window) -> str:
    """The window's points, one row per value: a table for each field of each series, those of a series in a row.

    The grouping leaves the tables what they are and sorts them; `drop` would bring them into another order.
    """
    keys = ", ".join(literal(key) for key in (*tags, "_field"))
    return f"{_of(bucket, measurement, window)} |> group(columns: [{keys}])"


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


def _of(bucket: str, measurement: str, window: Window) -> str:
    return (
        f"from(bucket: {literal(bucket)}) |> range(start: {moment(window.start)}, stop: {moment(window.end)}) "
        f"|> filter(fn: (r) => r._measurement == {literal(measurement)})"
    )
