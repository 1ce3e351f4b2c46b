"""Converts records of landed files to points."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from influx_lake.config.connections import RecordOptions
from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.config.values.windows import EPOCH, MICROSECOND
from influx_lake.sources.landing_zone.numbers import declared_number, number_of
from influx_lake.sources.landing_zone.unreadable_part import NamedTwice, NotHeld, Unreadable, WrittenFloat
from influx_lake.sources.points.cell_builder import INT64, TIMES, UINT64, BadPoint, FoundPoint

NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_TEXT_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:?\d{2})?", re.ASCII)
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?", re.ASCII)
_LONGEST_TIME = _LONGEST_SHOWN = 60
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class RecordReader:
    """Converts records to points.

    Attributes:
        config: The options of the records' columns.
        measurement: The measurement of all records; None if each names its own.
        textual: Whether all values are strings, as in CSV.
        kinds: The fields' types, if the file declares them.
    """

    config: RecordOptions
    measurement: str | None
    textual: bool = False
    kinds: Mapping[str, ColumnType] = field(default_factory=dict)

    def point(self, record: object) -> FoundPoint | None:
        """The point of a record; None if it has no values.

        Raises:
            BadPoint: It is not a point.
        """
        if isinstance(record, Unreadable):
            raise BadPoint(record.reason)
        if not isinstance(record, dict):
            raise BadPoint("is not an object")
        for each in (record, record.get("tags"), record.get("fields")):
            if isinstance(each, NamedTwice):
                raise BadPoint(f"has {each.name!r} twice")
        name = self.measurement or record.get(self.config.measurement_column)
        if not isinstance(name, str) or not name:
            raise BadPoint(f"has no measurement in {self.config.measurement_column!r}")
        if self.names_another(record.get(self.config.measurement_column)):
            raise BadPoint(
                f"has {record[self.config.measurement_column]!r} in {self.config.measurement_column!r}, and lies in "
                f"the folder of {name!r}: if the column does not name measurements, set measurement_column to a name "
                "that no column has"
            )
        declared = self.config.columns.get(name)
        tag_names = self.tag_names(name)
        tags, fields = self._parts(record, tag_names)
        types = declared.types if declared else None
        values = {
            field: self._typed(field, value, types) for field, value in fields.items() if not self._is_missing(value)
        }
        if not values:
            return None
        texts = {tag: tag_text(value, tag) for tag, value in tags.items() if value not in (None, "")}
        if undeclared := sorted(texts.keys() - tag_names) if declared else []:
            raise BadPoint(f"has the tag {undeclared[0]!r}, which is not declared in `columns`")
        time = self.time(record.get(self.config.timestamp))
        return FoundPoint(name, tuple(sorted(texts.items())), values, time)

    def names_another(self, value: object) -> bool:
        """Whether a value of `measurement_column` differs from the measurement of the path; it would be lost."""
        return self.measurement is not None and value not in (None, "", self.measurement)

    def tag_names(self, measurement: str) -> set[str]:
        """The columns of a measurement that are always tags."""
        declared = self.config.columns.get(measurement)
        return {*self.config.tags, *(declared.tags if declared else ())}

    def _parts(self, record: Mapping[str, Any], tag_names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The tags and the fields, of `tags` and `fields` objects and of columns."""
        tags, fields = dict(_object(record, "tags")), dict(_object(record, "fields"))
        own = {self.config.timestamp, self.config.measurement_column, "tags", "fields"}
        for name, value in record.items():
            if name in own:
                continue
            _put(tags if name in tag_names else fields, name, value)
        for name in tag_names:
            if name in fields:
                _put(tags, name, fields.pop(name))
        if TIME in tags or TIME in fields:
            raise BadPoint(f"has a column {TIME!r} besides the time")
        if "" in tags or "" in fields:
            raise BadPoint("has a value without a name")
        return tags, fields

    def _is_missing(self, value: object) -> bool:
        return value is None or (self.textual and value == "")

    def _typed(self, field: str, value: Any, types: Mapping[str, ColumnType] | None) -> tuple[ColumnType, Any]:
        if types is not None:
            if field not in types:
                raise BadPoint(f"has the field {field!r}, which is not declared in `columns`")
            return types[field], _as(types[field], _of_text(value, types[field]) if self.textual else value, field)
        if self.textual:
            return _text_value(value)
        if self.kinds:
            if field not in self.kinds:
                raise BadPoint(f"has values of an unknown type in {field!r}")
            return self.kinds[field], _native(value, field)[1]
        # Parquet may hold infinity; JSON cannot express it, and `1e400` is a finite number.
        if isinstance(value, float) and math.isinf(value):
            raise BadPoint(f"has a number that is too large for a float in {field!r}")
        return _native(value, field)

    def time(self, value: object) -> int:
        """The time of a point, in nanoseconds since 1970.

        Raises:
            BadPoint: It is not a time, or out of range.
        """
        unit = NANOSECONDS[self.config.timestamp_units]
        if isinstance(value, str) and len(value) <= _LONGEST_TIME and _NUMBER.fullmatch(value):
            found = _number_time(value, unit)
        elif isinstance(value, str):
            found = _text_time(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            found = value * unit
        elif isinstance(value, float) and abs(value) < 2.0**63:
            written = value.text if isinstance(value, WrittenFloat) else repr(value)
            found = _number_time(f"{Decimal(written):f}", unit)
        else:
            raise BadPoint(f"has no time in {self.config.timestamp!r}")
        if found not in TIMES:
            raise BadPoint(f"has a time out of range: {str(value)[:_LONGEST_TIME]}")
        return found


def _object(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadPoint(f"has {name!r}, and it is not an object")
    return value


def _put(values: dict[str, Any], name: str, value: object) -> None:
    """Add a value; an existing one of the same name must not be lost."""
    known = values.get(name)
    if known not in (None, "") and value not in (None, ""):
        if type(known) is not type(value) or known != value:
            raise BadPoint(f"has {name!r} twice, with different values: in an object and beside it")
    elif known not in (None, ""):
        return
    values[name] = value


def tag_text(value: object, name: str) -> str:
    """A tag's value as a string.

    Args:
        value: The value.
        name: The tag.

    Raises:
        BadPoint: It cannot be a tag.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenFloat):
        return value.text
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    what = "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else _shown(value)
    raise BadPoint(f"has a tag that is not a string, {name!r}: {what}")


def _number_time(text: str, unit: int) -> int:
    """Convert a number of time units to nanoseconds."""
    whole, _, fraction = text.partition(".")
    digits, scale = int(fraction or "0") * unit, int("1" + "0" * len(fraction))
    if digits % scale:
        raise BadPoint(f"has a time that is finer than nanoseconds: {text[:_LONGEST_TIME]}")
    return int(whole) * unit + (-1 if text.startswith("-") else 1) * (digits // scale)


def _text_time(text: str) -> int:
    match = _TEXT_TIME.fullmatch(text.strip())
    if match is None:
        raise BadPoint(f"has an invalid time: {text[:60]!r}")
    zone = (match[3] or "Z").replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(match[1] + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadPoint(f"has an invalid time: {text[:60]!r}") from None
    return (moment - EPOCH) // MICROSECOND * 1000 + int((match[2] or "").ljust(9, "0"))


def _native(value: Any, field: str) -> tuple[ColumnType, Any]:
    if isinstance(value, bool):
        return ColumnType.BOOLEAN, value
    if isinstance(value, int):
        if value in INT64:
            return ColumnType.INTEGER, value
        if value in UINT64:
            return ColumnType.UINTEGER, value
    elif isinstance(value, float):
        return ColumnType.FLOAT, value
    elif isinstance(value, str):
        return ColumnType.STRING, value
    raise BadPoint(_why_not(value, field))


def _why_not(value: object, field: str) -> str:
    """Why a value cannot be one of a field."""
    if isinstance(value, int):
        return f"has an integer in {field!r} that does not fit into 64 bits: {_shown(value)}"
    if isinstance(value, NotHeld):
        if value.text.lstrip("-").isalpha():
            return f"has {value.text} in {field!r}, which JSON does not have"
        return f"has a number in {field!r} that no float is near to: {_shown(value)}"
    if isinstance(value, dict | list):
        what = "an object" if isinstance(value, dict) else "a list"
        return f"has {what} in {field!r}: fields hold numbers, booleans and strings"
    return f"has a value in {field!r} that is not a number, boolean or string: {_shown(value)}"


def _shown(value: object) -> str:
    try:
        text = str(value)
    except ValueError:
        return "of thousands of digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _text_value(text: str) -> tuple[ColumnType, Any]:
    """Infer the type of a string: a number that it expresses exactly, a boolean, or a string."""
    if (number := number_of(text)) is not None:
        return number
    if text.lower() in _BOOLEANS:
        return ColumnType.BOOLEAN, _BOOLEANS[text.lower()]
    return ColumnType.STRING, text


def _of_text(text: str, kind: ColumnType) -> Any:
    """Parse a string as a declared type; return it unchanged if it is not of that type."""
    if kind is ColumnType.STRING:
        return text
    found = _BOOLEANS.get(text.lower()) if kind is ColumnType.BOOLEAN else declared_number(text, kind)
    return text if found is None else found


def _as(kind: ColumnType, value: Any, field: str) -> Any:
    """Convert a value to its declared type without changing it."""
    if _FITS[kind](value):
        return float(value) if kind is ColumnType.FLOAT else int(value) if kind in _WHOLE else value
    raise BadPoint(f"has a value in {field!r} that is not of type {kind}: {str(value)[:60]!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value) and value == value // 1


_WHOLE = (ColumnType.INTEGER, ColumnType.UINTEGER)
_FITS: dict[ColumnType, Callable[[Any], bool]] = {
    ColumnType.FLOAT: lambda value: _is_number(value) and (isinstance(value, float) or _is_exact_float(value)),
    ColumnType.INTEGER: lambda value: _is_whole(value) and int(value) in INT64,
    ColumnType.UINTEGER: lambda value: _is_whole(value) and int(value) in UINT64,
    ColumnType.BOOLEAN: lambda value: isinstance(value, bool),
    ColumnType.STRING: lambda value: isinstance(value, str),
}


def _is_exact_float(value: int) -> bool:
    return abs(value) <= 2**1023 and int(float(value)) == value
