"""Records of JSON and CSV as columns of points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import TIME, ColumnType
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.landing_zone.columns import (
    FieldColumn,
    NotPlain,
    PointColumns,
    checked_times,
)
from influx_lake.sources.landing_zone.numbers import FLOAT, INTEGER
from influx_lake.sources.landing_zone.records import NANOSECONDS, RecordReader, tag_text
from influx_lake.sources.landing_zone.text_numbers import LARGEST_EXACT, are_words, floats, integers, say_all
from influx_lake.sources.points.cell_builder import BadPoint
from influx_lake.sources.points.cells import Places

Record = Mapping[str, Any]
Values = list[Any]

_NOTHING: Record = {}
_MISSING = type(None)
_NATIVE: dict[type, ColumnType] = {
    float: ColumnType.FLOAT,
    int: ColumnType.INTEGER,
    bool: ColumnType.BOOLEAN,
    str: ColumnType.STRING,
}
"""The types of JSON's values."""
_TAKEN_FOR: dict[ColumnType, set[type]] = {
    ColumnType.FLOAT: {float},
    ColumnType.INTEGER: {int},
    ColumnType.UINTEGER: {int},
    ColumnType.BOOLEAN: {bool},
    ColumnType.STRING: {str},
}
_MOST_VALUES = 4_000_000
_WHOLE_TIME = r"^-?[0-9]+$"
_UTC_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,9})?Z$"
_YEARS = "1678", "2262"
"""The years that 64-bit nanoseconds cover completely."""


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """Converts many records to points at once.

    Attributes:
        reader: The record parser whose results have to be matched.
    """

    reader: RecordReader

    def of(self, records: Sequence[object]) -> list[PointColumns] | None:
        """The points of records by measurement; None if they have to be parsed one by one."""
        try:
            return [self._columns(name, rows) for name, rows in self._by_measurement(records).items()]
        # Values that do not fit an array or are not UTF-8 are reported by the record parser.
        except (NotPlain, BadPoint, pa.ArrowException, OverflowError, UnicodeError):
            return None

    def _by_measurement(self, records: Sequence[object]) -> Mapping[str, Sequence[Record]]:
        rows: list[Record] = [record for record in records if type(record) is dict]
        if len(rows) < len(records):
            raise NotPlain
        if self.reader.measurement is not None:
            column = self.reader.config.measurement_column
            if any(self.reader.names_another(row.get(column)) for row in rows):
                raise NotPlain
            return {self.reader.measurement: rows}
        names = [row.get(self.reader.config.measurement_column) for row in rows]
        if not all(isinstance(name, str) and name for name in names):
            raise NotPlain
        found: dict[str, list[Record]] = {}
        for name, row in zip(names, rows, strict=True):
            found.setdefault(str(name), []).append(row)
        return found

    def _columns(self, name: str, rows: Sequence[Record]) -> PointColumns:
        tags, fields = self._parts(name, rows)
        time = self._time([row.get(self.reader.config.timestamp) for row in rows])
        declared, read = self.reader.config.columns.get(name), _of_texts if self.reader.textual else _of_values
        if declared and fields.keys() - declared.types.keys():
            raise NotPlain
        types: Mapping[str, ColumnType] = declared.types if declared else {}
        return PointColumns(
            name,
            time,
            {tag: _tag(tag, values) for tag, values in tags.items()},
            {field: read(values, types.get(field)) for field, values in fields.items()},
        )

    def _parts(self, name: str, rows: Sequence[Record]) -> tuple[dict[str, Values], dict[str, Values]]:
        """The tags and the fields, of `tags` and `fields` objects and of columns."""
        config, tag_names = self.reader.config, self.reader.tag_names(name)
        own = {config.timestamp, config.measurement_column, "tags", "fields"}
        tags, fields = _in_objects(rows, "tags"), _in_objects(rows, "fields")
        columns = [column for column in dict.fromkeys(chain.from_iterable(rows)) if column not in own]
        # Which of two values of the same name wins depends on the row.
        if tags.keys() & fields.keys() or not {*tags, *fields}.isdisjoint(columns):
            raise NotPlain
        if name in config.columns and tags.keys() - tag_names:
            raise NotPlain
        fields |= _by_name(rows, columns)
        tags |= {column: fields.pop(column) for column in tag_names if column in fields}
        if not {TIME, ""}.isdisjoint((*tags, *fields)):
            raise NotPlain
        return tags, fields

    def _time(self, values: Values) -> Places:
        kinds = set(map(type, values))
        if kinds == {int}:
            return times_of(pa.array(values, pa.int64()), self.reader)
        if kinds == {str}:
            return times_of(pa.array(values, pa.string()), self.reader)
        return np.array([self.reader.time(value) for value in values], np.int64)


def times_of(values: pa.Array, reader: RecordReader) -> Places:
    """The times of points in nanoseconds, from integers or strings, none of them null.

    Raises:
        NotPlain: They have another type, or one is out of range.
        BadPoint: One is not a time.
    """
    unit = pa.scalar(NANOSECONDS[reader.config.timestamp_units], pa.int64())
    if pa.types.is_string(values.type):
        numbers = integers(values)
        if numbers is None and pc.all(pc.match_substring_regex(values, _WHOLE_TIME)).as_py():
            numbers = values.cast(pa.int64())
        if numbers is None:
            times = _utc_times(values)
            return np.array(list(map(reader.time, values.to_pylist())), np.int64) if times is None else times
        values = numbers
    if not pa.types.is_int64(values.type):
        raise NotPlain
    return checked_times(pc.multiply_checked(values, unit))


def _utc_times(texts: pa.Array) -> Places | None:
    """Parse times in UTC; None if they have another format, or are invalid."""
    if not pc.all(pc.match_substring_regex(texts, _UTC_TIME)).as_py():
        return None
    ends = pc.min_max(texts).as_py()
    if len(texts) and not (_YEARS[0] <= ends["min"] and ends["max"] < _YEARS[1]):
        return None
    try:
        return checked_times(texts.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()))
    except pa.ArrowInvalid:
        return None


def _in_objects(rows: Sequence[Record], name: str) -> dict[str, Values]:
    """The values of objects that records have under a name, by their names there."""
    found = [row.get(name) for row in rows]
    if set(map(type, found)) - {dict, _MISSING}:
        raise NotPlain
    objects = [each or _NOTHING for each in found]
    return _by_name(objects, list(dict.fromkeys(chain.from_iterable(objects))))


def _by_name(objects: Sequence[Record], names: Sequence[str]) -> dict[str, Values]:
    check_room(len(objects), len(names))
    return {name: [each.get(name) for each in objects] for name in names}


def check_room(rows: int, names: int) -> None:
    """Make sure that columns do not waste memory: if few objects have each of many names, columns are mostly gaps.

    Raises:
        NotPlain: They would.
    """
    if rows * names > _MOST_VALUES:
        raise NotPlain


def _tag(name: str, values: Values) -> pa.Array:
    if set(map(type, values)) <= {str, _MISSING}:
        return pa.array(values, pa.string())
    return pa.array([None if value is None else tag_text(value, name) for value in values], pa.string())


def _of_values(values: Values, wanted: ColumnType | None) -> FieldColumn:
    """Convert values of JSON to the declared type; None keeps the type of each."""
    kinds = set(map(type, values)) - {_MISSING}
    if not kinds <= _NATIVE.keys():
        raise NotPlain
    if wanted is None:
        return FieldColumn(
            {_NATIVE[kind]: _array(_NATIVE[kind], _only(kind, values) if len(kinds) > 1 else values) for kind in kinds}
            or {ColumnType.FLOAT: _array(ColumnType.FLOAT, values)}
        )
    if wanted is ColumnType.FLOAT and int in kinds and bool not in kinds:
        if any(abs(value) > LARGEST_EXACT for value in values if type(value) is int):
            raise NotPlain
        values, kinds = [float(value) if type(value) is int else value for value in values], (kinds - {int}) | {float}
    if not kinds <= _TAKEN_FOR[wanted]:
        raise NotPlain
    return FieldColumn.of(wanted, _array(wanted, values))


def _only(kind: type, values: Values) -> Values:
    return [value if type(value) is kind else None for value in values]


def _array(kind: ColumnType, values: Values) -> pa.Array:
    found = pa.array(values, ARROW_TYPES[kind])
    if kind is ColumnType.FLOAT and pc.any(pc.is_inf(found)).as_py():
        raise NotPlain
    return found


def _of_texts(values: Values, wanted: ColumnType | None) -> FieldColumn:
    """Convert values of CSV to the declared type; None infers the type of each."""
    return texts_as(pa.array([value or None for value in values], pa.string()), wanted)


def texts_as(texts: pa.Array, wanted: ColumnType | None) -> FieldColumn:
    """Convert strings of CSV, none of them empty, to the declared type; None infers the type of each.

    Raises:
        NotPlain: One has to be parsed by itself.
    """
    if wanted is ColumnType.STRING or (wanted is None and texts.null_count < len(texts) and are_words(texts)):
        return FieldColumn.of(ColumnType.STRING, texts)
    if texts.null_count < len(texts):
        if wanted in (None, ColumnType.INTEGER, ColumnType.UINTEGER) and (whole := integers(texts)) is not None:
            return FieldColumn.of(wanted or ColumnType.INTEGER, whole.cast(ARROW_TYPES[wanted or ColumnType.INTEGER]))
        if wanted in (None, ColumnType.FLOAT) and (numbers := floats(texts)) is not None:
            return FieldColumn.of(ColumnType.FLOAT, numbers)
    found: dict[ColumnType, pa.Array] = {}
    rest = texts
    for kind, looks in _LOOKS.items():
        if rest.null_count < len(rest) and pc.any(mask := looks(rest)).as_py():
            found[kind] = _read(kind, pc.if_else(mask, rest, None))
            rest = pc.if_else(mask, None, rest)
    if wanted is None:
        if rest.null_count < len(rest) or not found:
            found[ColumnType.STRING] = rest
        return FieldColumn(found)
    return FieldColumn.of(wanted, _as_wanted(found, rest, wanted))


def _as_wanted(found: Mapping[ColumnType, pa.Array], rest: pa.Array, wanted: ColumnType) -> pa.Array:
    kinds = {ColumnType.INTEGER} if wanted is ColumnType.UINTEGER else {wanted}
    if wanted is ColumnType.FLOAT:
        kinds = {ColumnType.INTEGER, ColumnType.FLOAT}
    if rest.null_count < len(rest) or not found.keys() <= kinds:
        raise NotPlain
    # Checked casts raise if a number is not exact.
    columns = [values.cast(ARROW_TYPES[wanted]) for values in found.values()]
    return reduce(pc.coalesce, columns) if columns else pa.nulls(len(rest), ARROW_TYPES[wanted])


def _read(kind: ColumnType, texts: pa.Array) -> pa.Array:
    if kind is ColumnType.BOOLEAN:
        return pc.equal(pc.ascii_lower(texts), "true")
    values = texts.cast(ARROW_TYPES[kind])
    if kind is ColumnType.FLOAT and not say_all(texts, values):
        raise NotPlain
    return values


_LOOKS: dict[ColumnType, Callable[[pa.Array], pa.Array]] = {
    ColumnType.INTEGER: lambda texts: pc.match_substring_regex(texts, f"^{INTEGER}$"),
    ColumnType.FLOAT: lambda texts: pc.match_substring_regex(texts, f"^{FLOAT}$"),
    ColumnType.BOOLEAN: lambda texts: pc.is_in(pc.ascii_lower(texts), pa.array(["true", "false"])),
}
"""The types that a text can have, in the order of precedence; otherwise it is a string."""
