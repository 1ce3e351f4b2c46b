"""Points of which some columns and rows are asked for, and what plain Python makes of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Literal, Not, Operator
from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.sources.conditions import takes
from influx_lake.sources.protocol import Source
from influx_lake.sources.selected_counts import selected_counts

_COMPARES = {
    Operator.EQUAL: eq,
    Operator.NOT_EQUAL: ne,
    Operator.LESS: lt,
    Operator.LESS_OR_EQUAL: le,
    Operator.GREATER: gt,
    Operator.GREATER_OR_EQUAL: ge,
}
MEASUREMENT = 'plänt "a", x=y.z'
"""A name that every way to quote has to cope with."""

TAGS: Mapping[str, list[str]] = {
    "host": ["a", "b", 'o\'brien "x"', "ä, b=c"],
    'region "é".x': ["eu", "us east", "back\\slash"],
    "select": ["1", "2"],
}
"""The tags and their values."""

FIELDS: Mapping[str, tuple[ColumnType, list[Any]]] = {
    "usage": (ColumnType.FLOAT, [-0.0, 0.0, 0.1, -1.5, 1e300, 5e-324, 2.0**53, 7.0]),
    "count": (ColumnType.INTEGER, [0, 1, -1, 2**53 + 1, 2**53, -(2**63) + 1, 2**63 - 1]),
    "up": (ColumnType.BOOLEAN, [True, False]),
    "state": (ColumnType.STRING, ["", "ok", 'it\'s "so"', "Ünï", "back\\slash"]),
    'o\'brien "v" w.x': (ColumnType.INTEGER, [1, 2, 3]),
}
"""The fields, their types and values."""

UNSIGNED: Mapping[str, tuple[ColumnType, list[Any]]] = {
    "total": (ColumnType.UINTEGER, [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
}
"""A field for sources that know its type."""


@dataclass(frozen=True)
class Point:
    """A point: its time in nanoseconds, and what it has of tags and fields."""

    time: int
    tags: Mapping[str, str]
    fields: Mapping[str, Any]

    def line(self, types: Mapping[str, ColumnType]) -> str:
        """The point in line protocol."""
        tags = "".join(f",{_escaped(name)}={_escaped(value)}" for name, value in sorted(self.tags.items()))
        fields = ",".join(f"{_escaped(name)}={_written(value, types[name])}" for name, value in self.fields.items())
        return f"{_escaped(MEASUREMENT, equals=False)}{tags} {fields} {self.time}"

    @property
    def row(self) -> dict[str, Any]:
        """Its columns."""
        return {TIME: self.time, **self.tags, **self.fields}


def _escaped(text: str, *, equals: bool = True) -> str:
    for char in ", =" if equals else ", ":
        text = text.replace(char, f"\\{char}")
    return text


def _written(value: Any, kind: ColumnType) -> str:
    match kind:
        case ColumnType.INTEGER:
            return f"{value}i"
        case ColumnType.UINTEGER:
            return f"{value}u"
        case ColumnType.BOOLEAN:
            return "true" if value else "false"
        case ColumnType.STRING:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
    return repr(value)


def points(
    start: int, step: int, fields: Mapping[str, tuple[ColumnType, list[Any]]], count: int = 240, seed: int = 7
) -> list[Point]:
    """Points with gaps; some of one time, which only their tags tell apart."""
    import random

    chance = random.Random(seed)
    found: dict[tuple[int, tuple[tuple[str, str], ...]], Point] = {}
    for number in range(count):
        tags = {name: chance.choice(values) for name, values in TAGS.items() if chance.random() < 0.7}
        values = {name: chance.choice(each) for name, (_, each) in fields.items() if chance.random() < 0.4}
        time = start + number // 3 * step
        point = Point(time, tags, values or {"count": 1})
        found.setdefault((time, tuple(sorted(tags.items()))), point)
    return list(found.values())


def truth(condition: Condition, row: Mapping[str, Any]) -> bool | None:
    """What a condition is for a row, in three-valued logic."""
    match condition:
        case Compared():
            value = row.get(condition.column)
            return None if value is None else _COMPARES[condition.operator](value, condition.literal)
        case IsNull():
            return row.get(condition.column) is None
        case Not():
            part = truth(condition.part, row)
            return None if part is None else not part
        case All():
            parts = [truth(part, row) for part in condition.parts]
            return False if False in parts else None if None in parts else True
        case AnyOf():
            parts = [truth(part, row) for part in condition.parts]
            return True if True in parts else None if None in parts else False


Row = tuple[tuple[str, str], ...]


def _as_row(columns: Iterable[str], row: Mapping[str, Any]) -> Row:
    """A row that can be sorted; floats to the last bit."""
    return tuple((name, repr(row.get(name))) for name in columns)


def expected(schema: MeasurementSchema, rows: Iterable[Mapping[str, Any]], window: Window) -> list[Row]:
    """The rows that a schema asks for."""
    return sorted(
        _as_row([column.name for column in schema.columns], row)
        for row in rows
        if window.start_us * 1000 <= row[TIME] < window.end_us * 1000
        and (not schema.needs_a_field or any(row.get(name) is not None for name in schema.fields))
        and (schema.where is None or truth(schema.where, row) is True)
    )


def read(source: Source, schema: MeasurementSchema, window: Window) -> list[Row]:
    """The rows that a source gives."""
    with source.read(schema, window) as stream:
        batches = list(stream)
        table = pa.Table.from_batches(batches, stream.schema)
    assert table.column_names == [column.name for column in schema.columns]
    table = table.set_column(0, TIME, table.column(TIME).cast(pa.int64()))
    return sorted(_as_row(table.column_names, row) for row in table.to_pylist())


def check_projection(
    source: Source, schema: MeasurementSchema, rows: Iterable[Mapping[str, Any]], window: Window
) -> None:
    """Hold what a source gives for a schema against the rows, and its counts."""
    found = expected(schema, rows, window)
    assert read(source, schema, window) == found
    assert selected_counts(source, schema, [window]) == [len(found)]


def rows_of(source: Source, measurement: str, window: Window) -> list[dict[str, Any]]:
    """All that a source has, as it gives it where all is asked for."""
    with source.read(source.schema(measurement), window) as stream:
        table = pa.Table.from_batches(stream, stream.schema)
    return list(table.set_column(0, TIME, table.column(TIME).cast(pa.int64())).to_pylist())


def check(source: Source, asked: Asked, rows: Iterable[Mapping[str, Any]], window: Window, *parts: Window) -> bool:
    """Hold what a source gives against the rows, and its counts; tells whether it took the condition."""
    rows = list(rows)
    declared = source.schema(MEASUREMENT)
    names = [name for name in asked.names if declared.column(name) is not None]
    taken = asked.where is not None and takes(source, declared, asked.where)
    schema = declared.select(names, asked.where if taken else None)
    if not schema.fields:
        return False
    assert read(source, schema, window) == expected(schema, rows, window)
    windows = parts or (window,)
    assert selected_counts(source, schema, windows) == [len(expected(schema, rows, each)) for each in windows]
    return taken


@dataclass(frozen=True)
class Asked:
    """What is asked for: columns and a condition."""

    names: frozenset[str]
    where: Condition | None


_COMPARED: dict[ColumnType, list[Literal]] = {
    ColumnType.FLOAT: [0, 0.0, -0.0, 0.1, -1.5, 1e300, 5e-324, 2**53, 7],
    ColumnType.INTEGER: [0, 1, -1, 2**53 + 1, 2**53, -(2**63) + 1, 2**63 - 1, -(2**63), 1.5],
    ColumnType.UINTEGER: [0, 1, 2**63 - 1, 2**63, 2**64 - 1, -1],
    ColumnType.BOOLEAN: [True, False],
    ColumnType.STRING: ["", "ok", 'it\'s "so"', "Ünï", "back\\slash", "zzz"],
}


def _comparisons(name: str, literals: list[Literal]) -> st.SearchStrategy[Condition]:
    return st.builds(Compared, st.just(name), st.sampled_from(Operator), st.sampled_from(literals))


def selections(
    fields: Mapping[str, tuple[ColumnType, list[Any]]], *, only_tags_compared: bool = False
) -> st.SearchStrategy[Asked]:
    """Some columns with one field at least, and mostly a condition."""
    compared = [_comparisons(name, [*values, "nowhere"]) for name, values in TAGS.items()]
    known = [*TAGS]
    if not only_tags_compared:
        compared += [_comparisons(name, _COMPARED[kind]) for name, (kind, _) in fields.items()]
        known += fields
    leaves = st.one_of(*compared) | st.builds(IsNull, st.sampled_from(known))
    conditions = st.recursive(
        leaves,
        lambda parts: st.one_of(
            st.builds(Not, parts),
            st.builds(All, st.lists(parts, min_size=1, max_size=3).map(tuple)),
            st.builds(AnyOf, st.lists(parts, min_size=1, max_size=3).map(tuple)),
        ),
        max_leaves=4,
    )
    some = st.builds(
        lambda field, others: frozenset({field, *others}),
        st.sampled_from(sorted(fields)),
        st.sets(st.sampled_from(sorted([*TAGS, *fields]))),
    )
    return st.builds(Asked, some, st.none() | conditions)


def declared(fields: Mapping[str, tuple[ColumnType, list[Any]]], measurement: str = MEASUREMENT) -> MeasurementSchema:
    """The columns, as a source declares them."""
    columns = [Column(name, Role.TAG, ColumnType.STRING) for name in sorted(TAGS)]
    columns += [Column(name, Role.FIELD, fields[name][0]) for name in sorted(fields)]
    return MeasurementSchema(measurement, (Column(TIME, Role.TIME, ColumnType.TIME), *columns))
