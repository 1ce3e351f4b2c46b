"""Builds points from Flux's tables: pivots the values of each field of a series to columns."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import accumulate
from operator import attrgetter

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.sources.arrow_types import ARROW_TYPES, arrow_schema
from influx_lake.sources.flux.annotated import TABLE
from influx_lake.sources.http import HttpFailures
from influx_lake.sources.projected_rows import with_a_field

_VALUES_AT_ONCE = 1 << 17
_ROWS_AT_ONCE = 1 << 16
_FIELD, _VALUE, _TIME = "_field", "_value", "_time"
_OWN = {TABLE, _FIELD, _VALUE, _TIME}
_TIME_TYPE = pa.timestamp("ns", "UTC")

COLUMN_TYPES = {
    pa.float64(): ColumnType.FLOAT,
    pa.int64(): ColumnType.INTEGER,
    pa.uint64(): ColumnType.UINTEGER,
    pa.bool_(): ColumnType.BOOLEAN,
    pa.string(): ColumnType.STRING,
}

Columns = Mapping[tuple[str, ColumnType], str]
"""The column of each type of each field."""

SeriesKey = tuple[tuple[str, str], ...]
"""The tags of a series with their values, sorted."""


@dataclass(frozen=True, slots=True)
class Values:
    """Values of one field of one series."""

    times: pa.Array
    values: pa.Array


ReadTexts = Callable[[SeriesKey, str], Values]
"""Reads the non-empty strings of a field of a series, with their correct times."""


def columns_of_points(
    blocks: Iterable[list[pa.Table]], failures: HttpFailures
) -> Generator[list[pa.Table], None, None]:
    """The blocks, after a check that they hold points.

    Raises:
        UnexpectedAnswer: A table lacks a required column, or its values have no type of a field.
    """
    for block in blocks:
        for table in block:
            names = {*table.column_names}
            if not names >= _OWN or table.schema.field(_TIME).type != _TIME_TYPE:
                raise failures.odd(f"the response has rows of {sorted(names)}, which are not points")
            if table.schema.field(_VALUE).type not in COLUMN_TYPES:
                raise failures.odd(f"a field has values of the type {table.schema.field(_VALUE).type}")
        yield block


def tag_keys(table: pa.Table) -> list[str]:
    """The tags in a table."""
    return [name for name in table.column_names if name not in _OWN]


def fields_of(table: pa.Table) -> set[tuple[str, ColumnType]]:
    """The fields in a table, with their types."""
    return {(name, COLUMN_TYPES[table.schema.field(_VALUE).type]) for name in pc.unique(table[_FIELD]).to_pylist()}


def texts_of(blocks: Iterable[list[pa.Table]], series: SeriesKey) -> Values:
    """The strings of one series, from blocks that hold others too."""
    found = [run.values for block in blocks for run in _in_order(block) if run.series == series]
    if not found:
        return Values(pa.array([], pa.timestamp("ns")), pa.array([], pa.string()))
    return _joined(found)


@dataclass(frozen=True, slots=True)
class _Run:
    """The rows of one of Flux's tables in a block."""

    number: int
    series: SeriesKey
    field: str
    kind: ColumnType
    values: Values


@dataclass(frozen=True, slots=True)
class _Points:
    """The points of one series: their times, and the values of its columns."""

    series: SeriesKey
    times: pa.Array
    columns: Mapping[str, pa.Array]


@dataclass(slots=True)
class PointBuilder:
    """Builds points. The server sends the tables of a series consecutively, so one series is held at a time.

    Attributes:
        schema: The points' columns.
        columns: The column of each field's values.
        tags: The column of each tag.
        failures: Makes the errors.
        read_texts: Reads the strings of a field that Flux has misplaced.
    """

    schema: MeasurementSchema
    columns: Columns
    tags: Mapping[str, str]
    failures: HttpFailures
    read_texts: ReadTexts
    _series: SeriesKey | None = None
    _done: set[SeriesKey] = field(default_factory=set)
    _fields: dict[tuple[str, ColumnType], list[Values]] = field(default_factory=dict)
    _waiting: list[_Points] = field(default_factory=list)
    _values: int = 0

    def batches(self, blocks: Iterable[list[pa.Table]]) -> Iterator[pa.RecordBatch]:
        """Yield the points.

        Raises:
            SourceError: The values of a series are not consecutive, or a field or type was not declared.
        """
        for block in blocks:
            for run in _in_order(block):
                if run.series != self._series:
                    self._end_series(run.series)
                    if self._values >= _VALUES_AT_ONCE:
                        yield from self._finish()
                self._take(run)
        self._end_series(None)
        yield from self._finish()

    def _end_series(self, following: SeriesKey | None) -> None:
        if self._series is not None:
            self._waiting.append(self._pivoted(self._series))
            self._done.add(self._series)
            self._fields = {}
        if following in self._done:
            raise self.failures.odd("the values of a series are not consecutive")
        self._series = following

    def _take(self, run: _Run) -> None:
        if (run.field, run.kind) not in self.columns or not {name for name, _ in run.series} <= self.tags.keys():
            raise self.failures.odd(
                f"the field {run.field!r} ({run.kind}) or a tag of it was created after the load had begun"
            )
        self._fields.setdefault((run.field, run.kind), []).append(run.values)
        self._values += len(run.values.times)

    def _pivoted(self, series: SeriesKey) -> _Points:
        """The values of a series' fields, at all times of any of them."""
        fields = {key: self._placed(series, key, self._whole(key, parts)) for key, parts in self._fields.items()}
        first, *others = fields.values()
        if all(first.times.equals(other.times) for other in others):
            return _Points(series, first.times, {self.columns[key]: each.values for key, each in fields.items()})
        times = pc.unique(pa.concat_arrays([each.times for each in fields.values()])).sort()
        return _Points(
            series,
            times,
            {
                self.columns[key]: each.values.take(pc.index_in(times, value_set=each.times))
                for key, each in fields.items()
            },
        )

    def _whole(self, key: tuple[str, ColumnType], parts: list[Values]) -> Values:
        """All values of a field of a series. Flux sorts them by time, and has one at each time."""
        found = _joined(parts)
        if pc.all(pc.less(found.times[:-1], found.times[1:]), min_count=0).as_py():
            return found
        raise self.failures.odd(f"values of the field {key[0]!r} are duplicated, or not sorted by time")

    def _placed(self, series: SeriesKey, key: tuple[str, ColumnType], found: Values) -> Values:
        """The values at their own times.

        Flux's times are right, but in a block of a thousand strings with an empty one, the strings after it move up by
        one. A query without empty strings returns the others at their own times; the remaining times have empty
        strings.
        """
        name, kind = key
        if kind is not ColumnType.STRING or len(found.times) < 2:
            return found
        empty = pc.sum(pc.equal(found.values, "")).as_py()
        if not empty:
            return found
        texts = self.read_texts(series, name)
        places = pc.index_in(found.times, value_set=texts.times)
        if places.null_count != empty or len(texts.times) + empty != len(found.times):
            raise self.failures.truncated(f"the field {name!r} was changed while its strings were read again")
        return Values(found.times, texts.values.take(places).fill_null(""))

    def _finish(self) -> Iterator[pa.RecordBatch]:
        """Yield the points of the completed series."""
        if not self._waiting:
            return
        ends = pa.array(accumulate(len(each.times) for each in self._waiting), pa.int64())
        arrays = [self._column(column, ends) for column in self.schema.columns]
        self._waiting, self._values = [], 0
        points = pa.Table.from_arrays(arrays, schema=arrow_schema(self.schema))
        yield from with_a_field(points, self.schema).to_batches(max_chunksize=_ROWS_AT_ONCE)

    def _column(self, column: Column, ends: pa.Array) -> pa.Array:
        if column.role is Role.TIME:
            return pa.concat_arrays([each.times for each in self._waiting])
        if column.role is Role.TAG:
            (key,) = (key for key, name in self.tags.items() if name == column.name)
            values = pa.array([dict(each.series).get(key) for each in self._waiting], pa.string())
            return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, values))
        kind = ARROW_TYPES[column.type]
        found = ((each, each.columns.get(column.name)) for each in self._waiting)
        return pa.concat_arrays(
            [pa.nulls(len(each.times), kind) if values is None else values for each, values in found]
        )


def _joined(parts: list[Values]) -> Values:
    if len(parts) == 1:
        return parts[0]
    return Values(pa.concat_arrays([part.times for part in parts]), pa.concat_arrays([part.values for part in parts]))


def _in_order(block: list[pa.Table]) -> Iterator[_Run]:
    """The rows of Flux's tables, in the order of the response."""
    return merge(*map(_runs, block), key=attrgetter("number"))


def _runs(table: pa.Table) -> Iterator[_Run]:
    """The rows of each of Flux's tables."""
    numbers = table[TABLE].combine_chunks()
    if len(numbers) == 0:
        return
    changes = pc.indices_nonzero(pc.not_equal(numbers[1:], numbers[:-1])).to_pylist()
    starts = [0, *(change + 1 for change in changes)]
    firsts = table.select([TABLE, *tag_keys(table), _FIELD]).take(starts).to_pylist()
    times, values = table[_TIME].combine_chunks().cast(pa.timestamp("ns")), table[_VALUE].combine_chunks()
    kind = COLUMN_TYPES[values.type]
    for first, start, end in zip(firsts, starts, [*starts[1:], len(numbers)], strict=True):
        number, name = first.pop(TABLE), first.pop(_FIELD)
        # Flux's tables have all columns that any of their series has.
        series = tuple(sorted((key, value) for key, value in first.items() if value))
        yield _Run(number, series, name, kind, Values(times[start:end], values[start:end]))
