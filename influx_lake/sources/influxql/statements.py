"""The statements that are sent to InfluxDB 1 and 2. Names are inserted by `identifier`, times as integers."""

# ruff: noqa: S608 - InfluxQL has no parameters for names

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.config.values.windows import Window

# The range of InfluxQL: int64 nanoseconds without the two lowest values and the highest one.
EARLIEST_NS = -(2**63) + 2
LATEST_NS = 2**63 - 2

CASTS = {
    ColumnType.FLOAT: "float",
    ColumnType.INTEGER: "integer",
    ColumnType.UINTEGER: "unsigned",
    ColumnType.STRING: "string",
    ColumnType.BOOLEAN: "boolean",
}
"""The types of fields, by InfluxQL's names."""

_EVERY_MEASUREMENT = "/.*/"


@dataclass(frozen=True, slots=True)
class Place:
    """Where measurements are: a database and one of its retention policies; None means the default one."""

    database: str
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """A tag, or a field read as one type."""

    name: str
    cast: str

    def __str__(self) -> str:
        return f"{identifier(self.name)}::{self.cast}"


def rows(
    place: Place, measurement: str, columns: Iterable[Selected], window: Window, condition: str | None = None
) -> str:
    """Select the window's points, each as one row that starts with its time."""
    selected = ", ".join(map(str, columns))
    return f"SELECT {selected} FROM {_path(place, identifier(measurement))} WHERE {_within(window, condition)}"


def counts(
    place: Place, measurement: str, columns: Iterable[Selected], window: Window, condition: str | None = None
) -> str:
    """Count the values of each field in a window."""
    selected = ", ".join(f"count({column})" for column in columns)
    return f"SELECT {selected} FROM {_path(place, identifier(measurement))} WHERE {_within(window, condition)}"


def first_point(place: Place, measurement: str) -> str:
    """Select the oldest point, whatever it holds."""
    path = _path(place, identifier(measurement))
    return f"SELECT *::field FROM {path} WHERE time >= {EARLIEST_NS} AND time <= {LATEST_NS} ORDER BY time ASC LIMIT 1"


def any_point(place: Place, measurement: str, window: Window) -> str:
    """Select any one point of a window."""
    return f"SELECT *::field FROM {_path(place, identifier(measurement))} WHERE {_within(window, None)} LIMIT 1"


def deletion(measurement: str, window: Window) -> str:
    """Delete the window's points, in all retention policies of the database."""
    return f"DELETE FROM {identifier(measurement)} WHERE {_within(window, None)}"


DATABASES = "SHOW DATABASES"


def retention_policies(database: str) -> str:
    return f"SHOW RETENTION POLICIES ON {identifier(database)}"


def field_keys(place: Place, measurement: str | None = None) -> str:
    """List the fields of one measurement, or of all, with every type that any shard has."""
    return _keys("FIELD", place, measurement)


def tag_keys(place: Place, measurement: str) -> str:
    return _keys("TAG", place, measurement)


def _keys(kind: str, place: Place, measurement: str | None) -> str:
    # Without a policy a measurement is one of the default policy's.
    source = _EVERY_MEASUREMENT if measurement is None else identifier(measurement)
    if place.policy is not None:
        source = f"{identifier(place.policy)}.{source}"
    return f"SHOW {kind} KEYS ON {identifier(place.database)} FROM {source}"


def identifier(name: str) -> str:
    """Quote a name; inside quotes only the quote, the backslash and the line break need escapes."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def text(value: str) -> str:
    """Quote a string."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _path(place: Place, measurement: str) -> str:
    policy = identifier(place.policy) if place.policy is not None else ""
    return f"{identifier(place.database)}.{policy}.{measurement}"


def _within(window: Window, condition: str | None) -> str:
    start = max(window.start_us * 1000, EARLIEST_NS)
    last = min(window.end_us * 1000 - 1, LATEST_NS)
    return f"time >= {start} AND time <= {last}" + ("" if condition is None else f" AND ({condition})")
