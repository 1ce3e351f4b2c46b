"""Points out of Flux's tables: the values of one series and time, each a row of its own there, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.columns import TIME, ColumnType, MeasurementSchema
from influx_lake.errors import SourceError, UnexpectedAnswer
from influx_lake.sources.arrow_types import ARROW_TYPES, arrow_schema
from influx_lake.sources.flux.annotated import RESULT, TABLE
from influx_lake.sources.http import HttpFailures

_VALUES_AT_ONCE = 1 << 17
_FIELD, _VALUE, _TIME = "_field", "_value", "_time"
_OWN = {RESULT, TABLE, _FIELD, _VALUE, _TIME, "_start", "_stop", "_measurement"}

COLUMN_TYPES = {
    pa.float64(): ColumnType.FLOAT,
    pa.int64(): ColumnType.INTEGER,
    pa.uint64(): ColumnType.UINTEGER,
    pa.bool_(): ColumnType.BOOLEAN,
    pa.string(): ColumnType.STRING,
}

Columns = Mapping[tuple[str, ColumnType], str]
"""The column for each type of each field."""


def tag_keys(table: pa.Table) -> list[str]:
    """The tags of a table's series."""
    return [name for name in table.column_names if name not in _OWN]


def fields_of(table: pa.Table) -> set[tuple[str, ColumnType]]:
    """The fields that a table holds values of, with their type."""
    return {(name, COLUMN_TYPES[table.schema.field(_VALUE).type]) for name in pc.unique(table[_FIELD]).to_pylist()}


@dataclass(slots=True)
class PointBuilder:
    """Puts points together. The server sends a series' tables one behind the other, and so a series at a time is kept.

    Attributes:
        schema: The points' columns.
        columns: Which of them each field's values go to.
        tags: The column of each tag.
        failures: Makes the errors.
    """

    schema: MeasurementSchema
    columns: Columns
    tags: Mapping[str, str]
    failures: HttpFailures
    _waiting: list[pa.Table] = field(default_factory=list)
    _values: int = 0
    _series: tuple[object, ...] | None = None
    _done: set[tuple[object, ...]] = field(default_factory=set)

    def batches(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """The points.

        Raises:
            SourceError: The values of a series came apart, or one is of a field or type that was not declared.
        """
        for table in tables:
            for run in _runs(table):
                yield from self._take(run)
        yield from self._finish()

    def _take(self, run: pa.Table) -> Iterator[pa.RecordBatch]:
        keys = tag_keys(run)
        series = tuple(sorted((key, run[key][0].as_py()) for key in keys if run[key][0].as_py()))
        if series != self._series:
            if series in self._done:
                raise self.failures.odd("the values of a series did not come one behind the other")
            if self._series is not None:
                self._done.add(self._series)
            self._series = series
            if self._values >= _VALUES_AT_ONCE:
                yield from self._finish()
        self._waiting.append(self._placed(run, keys))
        self._values += run.num_rows

    def _placed(self, run: pa.Table, keys: list[str]) -> pa.Table:
        """The values below the name of their column, beside their time and tags."""
        name = run[_FIELD][0].as_py()
        kind = COLUMN_TYPES[run.schema.field(_VALUE).type]
        if kind is ColumnType.STRING and run.num_rows > 1 and pc.any(pc.equal(run[_VALUE], "")).as_py():
            raise self.failures.name(_misplaced(name))
        column = self.columns.get((name, kind))
        if column is None or not set(keys) <= self.tags.keys():
            raise self.failures.odd(f"the field {name!r} ({kind}) or a tag of it came to be after the load had begun")
        arrays = {TIME: run[_TIME].cast(pa.timestamp("ns")), column: run[_VALUE]}
        for key in keys:
            # Flux's tables have all columns that any of their series has.
            arrays[self.tags[key]] = pc.if_else(pc.equal(run[key], ""), pa.scalar(None, pa.string()), run[key])
        return pa.table(arrays)

    def _finish(self) -> Iterator[pa.RecordBatch]:
        if not self._waiting:
            return
        together = pa.concat_tables(self._waiting, promote_options="default")
        self._waiting, self._values = [], 0
        keys = [TIME, *(name for name in self.schema.tags if name in together.column_names)]
        values = [name for name in self.schema.fields if name in together.column_names]
        points = together.group_by(keys, use_threads=False).aggregate([(name, "first") for name in values])
        points = points.rename_columns([*keys, *values])
        layout = arrow_schema(self.schema)
        arrays = [
            points[column.name]
            if column.name in points.column_names
            else pa.nulls(len(points), ARROW_TYPES[column.type])
            for column in self.schema.columns
        ]
        yield from pa.Table.from_arrays(arrays, schema=layout).combine_chunks().to_batches()


def _misplaced(field: str) -> SourceError:
    """Flux moves empty texts: in a thousand values of which the second is empty, all behind it move up by one."""
    return UnexpectedAnswer(
        f"the field {field!r} holds empty texts, and Flux may give them and what is beside them to other times",
        remedy="Set query_language: influxql for this source, which reads them right",
    )


def _runs(table: pa.Table) -> Iterator[pa.Table]:
    """The rows of each of Flux's tables."""
    numbers = table[TABLE].combine_chunks()
    if len(numbers) == 0:
        return
    changes = pc.indices_nonzero(pc.not_equal(numbers[1:], numbers[:-1])).to_pylist()
    starts = [0, *(change + 1 for change in changes)]
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        yield table.slice(start, end - start)
