"""A measurement's columns as InfluxDB 3 declares them, and the Arrow types of its results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.errors import SourceError
from influx_lake.sources.arrow_types import FIELD_TYPES

Odd = Callable[[str], SourceError]
"""Makes the error for an unexpected response."""

_ORDER = {Role.TIME: 0, Role.TAG: 1, Role.FIELD: 2}

_TAG = re.compile(r"Dictionary\(Int32, \"?(?:Large)?Utf8(?:View)?\"?\)")
_ARROW_WORDS = {
    "Float64": ColumnType.FLOAT,
    "Int64": ColumnType.INTEGER,
    "UInt64": ColumnType.UINTEGER,
    "Boolean": ColumnType.BOOLEAN,
    "Utf8": ColumnType.STRING,
    "LargeUtf8": ColumnType.STRING,
    "Utf8View": ColumnType.STRING,
}


def measurement_schema(measurement: str, columns: Iterable[tuple[str, str]], odd: Odd) -> MeasurementSchema:
    """The schema from pairs of a column's name and type, as either system table writes them."""
    known = sorted(
        (_column(name, words, odd) for name, words in columns),
        key=lambda c: (_ORDER[c.role], c.name),
    )
    if sum(column.role is Role.TIME for column in known) != 1:
        raise odd(f"measurement {measurement!r} is declared without a time column")
    if len({column.name for column in known}) != len(known):
        raise odd(f"measurement {measurement!r} is declared with a column twice")
    return MeasurementSchema(measurement, tuple(known))


def _column(name: str, words: str, odd: Odd) -> Column:
    if words == "tag" or _TAG.fullmatch(words):
        return Column(name, Role.TAG, ColumnType.STRING)
    # The type's name for times differs between versions of the server; the column's name does not.
    if name == TIME and words.lower().startswith("time"):
        return Column(name, Role.TIME, ColumnType.TIME)
    if words in FIELD_TYPES:
        return Column(name, Role.FIELD, ColumnType(words))
    if words in _ARROW_WORDS:
        return Column(name, Role.FIELD, _ARROW_WORDS[words])
    raise odd(f"column {name!r} is declared with the type {words!r}, which this version does not know")
