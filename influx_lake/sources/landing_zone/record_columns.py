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
from influx_lake.sources.landing_zone.numbers import FLOAT, FLOAT_DIGITS, INTEGER, SMALLEST_NORMAL
from influx_lake.sources.landing_zone.records import NANOSECONDS, RecordReader, tag_text
from influx_lake.sources.points.building import BadPoint
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
_LARGEST_EXACT = 2**53
_MOST_VALUES = 4_000_000
_NOTHING_BUT_ZEROS = r"^-?[0.]+(?:[eE].*)?$"
_NOT_DIGITS = r"[eE].*|[-.]"
_WHOLE_TIME = r"^-?[0-9]+$"


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """Makes points of many records at once.

    Attributes:
        reader: Would make them of one record after the other.
    """

    reader: RecordReader

    def of(self, records: Sequence[object]) -> list[PointColumns] | None:
        """The points of records, those of each measurement; None where they have to be looked at one by one."""
        try:
            return [self._columns(name, rows) for name, rows in self._by_measurement(records).items()]
        # Values that do not fit an array, or are no text, are told one by one.
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
        """The tags and the fields: of objects called so, and of columns."""
        config, tag_names = self.reader.config, self.reader.tag_names(name)
        own = {config.timestamp, config.measurement_column, "tags", "fields"}
        tags, fields = _in_objects(rows, "tags"), _in_objects(rows, "fields")
        columns = [column for column in dict.fromkeys(chain.from_iterable(rows)) if column not in own]
        # Who wins where a name comes twice depends on the row.
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
        unit, kinds = pa.scalar(NANOSECONDS[self.reader.config.timestamp_units], pa.int64()), set(map(type, values))
        if kinds == {int}:
            return checked_times(pc.multiply_checked(pa.array(values, pa.int64()), unit))
        if kinds == {str}:
            texts = pa.array(values, pa.string())
            if pc.all(pc.match_substring_regex(texts, _WHOLE_TIME)).as_py():
                return checked_times(pc.multiply_checked(texts.cast(pa.int64()), unit))
        return np.array([self.reader.time(value) for value in values], np.int64)


def _in_objects(rows: Sequence[Record], name: str) -> dict[str, Values]:
    """The values of objects that records have under a name, by their names there."""
    found = [row.get(name) for row in rows]
    if set(map(type, found)) - {dict, _MISSING}:
        raise NotPlain
    objects = [each or _NOTHING for each in found]
    return _by_name(objects, list(dict.fromkeys(chain.from_iterable(objects))))


def _by_name(objects: Sequence[Record], names: Sequence[str]) -> dict[str, Values]:
    # Objects of many names, each of which few have, are mostly gaps.
    if len(objects) * len(names) > _MOST_VALUES:
        raise NotPlain
    return {name: [each.get(name) for each in objects] for name in names}


def _tag(name: str, values: Values) -> pa.Array:
    if set(map(type, values)) <= {str, _MISSING}:
        return pa.array(values, pa.string())
    return pa.array([None if value is None else tag_text(value, name) for value in values], pa.string())


def _of_values(values: Values, wanted: ColumnType | None) -> FieldColumn:
    """Values of JSON, as the type that is wanted; None: each as its own."""
    kinds = set(map(type, values)) - {_MISSING}
    if not kinds <= _NATIVE.keys():
        raise NotPlain
    if wanted is None:
        return FieldColumn.mixed(
            {_NATIVE[kind]: _array(_NATIVE[kind], _only(kind, values) if len(kinds) > 1 else values) for kind in kinds}
            or {ColumnType.FLOAT: _array(ColumnType.FLOAT, values)}
        )
    if wanted is ColumnType.FLOAT and int in kinds and bool not in kinds:
        if any(abs(value) > _LARGEST_EXACT for value in values if type(value) is int):
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
    """Values of CSV, as the type that is wanted; None: each as what it looks like."""
    texts = pa.array([value or None for value in values], pa.string())
    if wanted is ColumnType.STRING:
        return FieldColumn.of(ColumnType.STRING, texts)
    found: dict[ColumnType, pa.Array] = {}
    rest = texts
    for kind, looks in _LOOKS.items():
        if rest.null_count < len(rest) and pc.any(mask := looks(rest)).as_py():
            found[kind] = _read(kind, pc.if_else(mask, rest, None))
            rest = pc.if_else(mask, None, rest)
    if wanted is None:
        if rest.null_count < len(rest) or not found:
            found[ColumnType.STRING] = rest
        return FieldColumn.mixed(found)
    return FieldColumn.of(wanted, _as_wanted(found, rest, wanted))


def _as_wanted(found: Mapping[ColumnType, pa.Array], rest: pa.Array, wanted: ColumnType) -> pa.Array:
    kinds = {ColumnType.INTEGER} if wanted is ColumnType.UINTEGER else {wanted}
    if wanted is ColumnType.FLOAT:
        kinds = {ColumnType.INTEGER, ColumnType.FLOAT}
    if rest.null_count < len(rest) or not found.keys() <= kinds:
        raise NotPlain
    # Checked casts: what is no such number exactly raises.
    columns = [values.cast(ARROW_TYPES[wanted]) for values in found.values()]
    return reduce(pc.coalesce, columns) if columns else pa.nulls(len(rest), ARROW_TYPES[wanted])


def _read(kind: ColumnType, texts: pa.Array) -> pa.Array:
    if kind is ColumnType.BOOLEAN:
        return pc.equal(pc.ascii_lower(texts), "true")
    values = texts.cast(ARROW_TYPES[kind])
    if kind is ColumnType.FLOAT and not _say_all(texts, values):
        raise NotPlain
    return values


def _say_all(texts: pa.Array, values: pa.Array) -> bool:
    """Whether floats are surely what their texts say (`numbers.says_all`)."""
    small = texts.filter(pc.less(pc.abs(values), SMALLEST_NORMAL))
    if pc.any(pc.is_inf(values)).as_py() or not pc.all(pc.match_substring_regex(small, _NOTHING_BUT_ZEROS)).as_py():
        return False
    # A point more than that many digits.
    long = texts.filter(pc.greater(pc.utf8_length(texts), FLOAT_DIGITS + 1))
    digits = pc.utf8_ltrim(pc.replace_substring_regex(long, _NOT_DIGITS, ""), "0")
    return not pc.any(pc.greater(pc.utf8_length(digits), FLOAT_DIGITS)).as_py()


_LOOKS: dict[ColumnType, Callable[[pa.Array], pa.Array]] = {
    ColumnType.INTEGER: lambda texts: pc.match_substring_regex(texts, f"^{INTEGER}$"),
    ColumnType.FLOAT: lambda texts: pc.match_substring_regex(texts, f"^{FLOAT}$"),
    ColumnType.BOOLEAN: lambda texts: pc.is_in(pc.ascii_lower(texts), pa.array(["true", "false"])),
}
"""What a text looks like, the first that holds; else it is one."""
