"""A source of points that lie in files, whatever their format."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol

import numpy as np
import pyarrow as pa

from influx_lake.config.values.conditions import Condition, columns_of
from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window, from_nanoseconds, utc_text
from influx_lake.errors import DataRefused, MeasurementNotFound, WindowInterrupted
from influx_lake.sources.arrow_types import ARROW_TYPES, arrow_field
from influx_lake.sources.conditions import is_exact
from influx_lake.sources.declared_columns import DeclaredColumn, declared_columns
from influx_lake.sources.points.cells import Places
from influx_lake.sources.points.left_out import all_left_out
from influx_lake.sources.points.measurement import MeasurementPoints
from influx_lake.sources.points.outside import outside_of, reaches_out
from influx_lake.sources.points.registry import FieldName, MeasurementKey
from influx_lake.sources.points.rows import Points, TagColumns, beyond_floats, sliced, with_integers
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.survey import FileSurvey
from influx_lake.sources.points.wide_rows import are_wide, of_fields
from influx_lake.sources.projected_rows import arrow_condition, with_a_field
from influx_lake.sources.protocol import RowStream, ServerInfo
from influx_lake.sources.remarks import Outside, Survey

log = logging.getLogger("influx_lake.sources")

_OPEN_AT_ONCE = 8
_TAG = pa.dictionary(pa.int32(), pa.string())


class Archive(Protocol):
    """Files of points, of one format."""

    @property
    def identity(self) -> str:
        """Which files these are, without credentials."""
        ...

    @property
    def product(self) -> str:
        """What they are, for people."""
        ...

    def units(
        self, window: Window | None, measurement: str | None = None, left_out: frozenset[str] = frozenset()
    ) -> Sequence[Unit]:
        """The points of the files that can hold a window's, or of all files; the later ones with what counts.

        Args:
            window: The window; None: of all files that can be read, to learn what there is.
            measurement: The measurement that is asked for; None: any.
            left_out: Fields that need not be among them.

        Raises:
            SourceError: A file that the window needs cannot be read.
        """
        ...

    def wants(self, key: MeasurementKey) -> bool:
        """Whether a measurement of a file is one of this source."""
        ...

    @property
    def merges_numbers(self) -> bool:
        """Whether a field of floats may hold integers without being of two types."""
        ...

    def declared(self, measurement: str) -> tuple[Sequence[str], Sequence[FieldName]] | None:
        """A measurement's tags and fields, where they are declared and need not be looked for."""
        ...

    def names(self) -> list[str] | None:
        """The measurements, where they can be told without reading the files."""
        ...

    def place_of(self, measurement: str, field: FieldName, value: int, time: int) -> str | None:
        """Where a value was read: the file and the line; None where that cannot be told.

        Raises:
            SourceError: The file cannot be read again.
        """
        ...

    def state(self) -> str:
        """How much there is, for people."""
        ...

    def units_read(self) -> Sequence[Unit]:
        """The points of all files that were read so far, for whatever window."""
        ...

    @property
    def time_unit(self) -> str:
        """The option that says what times count in, with what it says: `precision: ns`."""
        ...

    def survey(self) -> FileSurvey:
        """What the files hold: all of those that columns are found in, else some."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


class PointsSource:
    """A `Source` of points in files.

    Args:
        archive: The files.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._opened: OrderedDict[tuple[str, tuple[str, ...]], MeasurementPoints] = OrderedDict()

    @property
    def identity(self) -> str:
        return self._archive.identity

    def __repr__(self) -> str:
        return f"PointsSource({self.identity!r})"

    def server(self) -> ServerInfo:
        return ServerInfo(self._archive.product, self._archive.state())

    def measurements(self) -> list[str]:
        if (known := self._archive.names()) is not None:
            return known
        keys = (key for unit in self._archive.units(None) for key in unit.measurements)
        return sorted({key.name for key in keys if self._archive.wants(key)})

    def schema(self, measurement: str) -> MeasurementSchema:
        columns = self._columns(measurement)
        if not any(each.column.role is Role.FIELD for each in columns):
            left_out = all_left_out(self._archive.units_read())
            raise MeasurementNotFound(
                f"{self.identity} has no {'point of the ' if left_out else ''}measurement {measurement!r}{left_out}",
                remedy="Correct these records" if left_out else "Check its name, and the options of the source",
                measurement=measurement,
            )
        time = Column(TIME, Role.TIME, ColumnType.TIME)
        return MeasurementSchema(measurement, (time, *(each.column for each in columns)))

    def takes(self, schema: MeasurementSchema, condition: Condition) -> bool:
        return is_exact(schema, condition)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        known = {each.column: each.name for each in self._columns(schema.measurement)}
        points = self._points(schema.measurement, window, _left_out(schema, known))
        yield _WindowRows(points, schema, known, window, partial(self._archive.place_of, schema.measurement))

    def _columns(self, measurement: str) -> list[DeclaredColumn]:
        declared = self._archive.declared(measurement)
        if declared is not None:
            return declared_columns(*declared)
        points = self._points(measurement, None)
        fields = set(points.fields)
        if self._archive.merges_numbers:
            fields -= {(name, ColumnType.INTEGER) for name, kind in fields if kind is ColumnType.FLOAT}
        return declared_columns((name for series in points.series for name, _ in series), fields)

    def declared(self, measurement: str) -> tuple[tuple[str, ...], tuple[FieldName, ...]]:
        """The names of the tags of all of a measurement's points, and its fields in all of their types."""
        columns = [(each.name, each.column) for each in self._columns(measurement)]
        tags = tuple(name for name, column in columns if column.role is Role.TAG)
        return tags, tuple((name, column.type) for name, column in columns if column.role is Role.FIELD)

    def count(self, measurement: str, window: Window) -> int:
        points = self._points(measurement, window)
        return sum(len(Points.of_all(piece, len(points.series))) for piece in points.pieces(*_nanoseconds(window)))

    def first_time(self, measurement: str) -> datetime | None:
        first, _, _ = self._points(measurement, None).spans()
        return from_nanoseconds(int(first.min())) if len(first) else None

    def outside(self, measurement: str, reach: Window) -> Outside | None:
        begin, end = _nanoseconds(reach)
        units = self._archive.units_read()
        if not any(reaches_out(unit, begin, end) for unit in units):
            return None
        found = outside_of(self._points_in(units, measurement), begin, end)
        return found and replace(found, unit=self._archive.time_unit)

    def survey(self) -> Survey:
        return self._archive.survey().survey(self._archive.wants)

    def close(self) -> None:
        self._opened.clear()
        self._archive.close()

    def _points(
        self, measurement: str, window: Window | None, left_out: frozenset[str] = frozenset()
    ) -> MeasurementPoints:
        return self._points_in(self._archive.units(window, measurement, left_out), measurement)

    def _points_in(self, units: Sequence[Unit], measurement: str) -> MeasurementPoints:
        place = (measurement, tuple(str(unit.folder) for unit in units))
        if place not in self._opened:
            keys = {key for unit in units for key in unit.measurements if key.name == measurement}
            self._opened[place] = MeasurementPoints(units, [key for key in keys if self._archive.wants(key)])
            while len(self._opened) > _OPEN_AT_ONCE:
                self._opened.popitem(last=False)
        return self._opened[place]


class _WindowRows:
    """A `RowStream`: the points of one window."""

    def __init__(
        self,
        points: MeasurementPoints,
        schema: MeasurementSchema,
        names: Mapping[Column, str],
        window: Window,
        place_of: Callable[[FieldName, int, int], str | None],
    ) -> None:
        self._points = points
        self._wanted = schema
        self._window = window
        self._place_of = place_of
        self._measurement = schema.measurement
        whole = [(column, names.get(column, column.name)) for column in schema.whole.columns]
        read = {column.name for column in schema.columns}
        read |= set() if schema.where is None else {*columns_of(schema.where)}
        self._columns = [(column, name) for column, name in whole if column.name in read]
        self._tags = TagColumns([name for column, name in self._columns if column.role is Role.TAG], points.series)
        self._types: dict[str, set[ColumnType]] = {}
        for column, name in whole:
            if column.role is Role.FIELD:
                self._types.setdefault(name, set()).add(column.type)
        self._declared_tags = {name for column, name in whole if column.role is Role.TAG}
        unknown = {name for each in points.series for name, _ in each} - self._declared_tags
        self._unknown_tags = np.array([any(name in unknown for name, _ in each) for each in points.series if unknown])
        self._read = pa.schema([_arrow_field(column) for column, _ in self._columns])
        self.schema = pa.schema([_arrow_field(column) for column in schema.columns])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        rewritten = 0
        for piece in self._points.pieces(*_nanoseconds(self._window)):
            if not (parts := [part for part in map(self._of_fields, piece) if len(part)]):
                continue
            points, fields = self._points.side_by_side(parts)
            rewritten += fields.rewritten
            for batch in self._selected(self._rows(points, fields.columns)):
                yield from sliced(batch)
        if rewritten:
            log.warning(
                "%s, %s: points that were written more than once, with different values of a field: %s (the last "
                "value counts). Points of their own meet like that where times are cut, to seconds for example: write "
                "them with the precision that tells them apart",
                self._measurement,
                self._window,
                f"{rewritten:,}",
            )

    def _of_fields(self, part: pa.Table) -> pa.Table:
        """The values of the fields that are read, in every type, and of those that were not declared."""
        if not self._wanted.needs_a_field:
            return part
        read = {name for column, name in self._columns if column.role is Role.FIELD}
        kept = [name in read or kind not in self._taken(name) for name, kind in self._points.fields]
        if all(kept):
            return part
        if are_wide(part):
            return of_fields(part, kept.__getitem__)
        return part.filter(pa.array(np.array(kept)[part.column("field").to_numpy()]))

    def _selected(self, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows and columns that are wanted of those that are read."""
        rows = with_a_field(rows, self._wanted)
        if self._wanted.where is not None:
            condition = arrow_condition(self._wanted.where, self._wanted.types, rows.schema.names)
            yield from pa.Table.from_batches([rows]).filter(condition).select(self.schema.names).to_batches()
        elif len(rows):
            yield rows

    def _rows(self, points: Points, fields: Mapping[int, pa.Array]) -> pa.RecordBatch:
        found = {self._points.fields[number]: values for number, values in fields.items()}
        self._check_declared(points, found)
        columns = [self._values(column, name, points, found) for column, name in self._columns]
        return pa.RecordBatch.from_arrays(columns, schema=self._read)

    def _check_declared(self, points: Points, found: Mapping[FieldName, pa.Array]) -> None:
        """Make sure that nothing is left out: a file may have come since the columns were asked for."""
        new = {
            name
            for (name, kind), values in found.items()
            if kind not in self._taken(name) and values.null_count < len(values)
        }
        if self._unknown_tags.any():
            series = np.flatnonzero(self._unknown_tags)
            there = series[np.isin(series, points.series)].tolist()
            new |= {name for each in there for name, _ in self._points.series[each]} - self._declared_tags
        if new:
            raise WindowInterrupted(
                f"files came since the columns of {self._measurement} were asked for, and have "
                f"{', '.join(map(repr, sorted(new)[:5]))} in a form that was not there",
                remedy="Load the window again",
            )

    def _taken(self, name: str) -> set[ColumnType]:
        """The types of a field's values that have a column."""
        types = self._types.get(name, set())
        return types | {ColumnType.INTEGER} if ColumnType.FLOAT in types else types

    def _values(self, column: Column, name: str, points: Points, fields: Mapping[FieldName, pa.Array]) -> pa.Array:
        if column.role is Role.TIME:
            return pa.array(points.time).cast(pa.timestamp("ns"))
        if column.role is Role.TAG:
            return self._tags.column(name, points.series)
        values = fields.get((name, column.type), pa.nulls(len(points), ARROW_TYPES[column.type]))
        integers = fields.get((name, ColumnType.INTEGER))
        if integers is None or not {ColumnType.FLOAT, column.type} <= self._types[name]:
            return values
        # A field that has both is one column of floats; integers that no float is equal to are in the other.
        beyond = beyond_floats(integers)
        if column.type is ColumnType.INTEGER:
            return beyond
        if column.type is not ColumnType.FLOAT:
            return values
        if ColumnType.INTEGER not in self._types[name] and beyond.null_count < len(beyond):
            raise self._refused(name, beyond, points.time)
        return with_integers(values, integers)

    def _refused(self, field: str, beyond: pa.Array, times: Places) -> DataRefused:
        """The error for integers of a field of floats that no float is equal to."""
        first = int(np.flatnonzero(beyond.is_valid().to_numpy(zero_copy_only=False))[0])
        value, time = beyond[first].as_py(), int(times[first])
        place = self._place_of((field, ColumnType.INTEGER), value, time)
        return DataRefused(
            f"the field {field!r} has floats and so is one of floats, and no float is equal to its integer {value} "
            f"(at {utc_text(from_nanoseconds(time))}{f', in {place}' if place else ''})",
            remedy="Declare the field under `columns` of the source: as integer, where all of its values are whole; as "
            "float, and such a record is a bad one, which `max_bad_lines` can leave out; or have it written as text",
        )


def _left_out(schema: MeasurementSchema, names: Mapping[Column, str]) -> frozenset[str]:
    """The fields of which no column is read or looked at."""
    looked_at = frozenset() if schema.where is None else {*columns_of(schema.where)}
    left_out = {column for column in schema.left_out if column.role is Role.FIELD and column.name not in looked_at}
    read = {names.get(column, column.name) for column in (*schema.columns, *schema.left_out) if column not in left_out}
    return frozenset(names.get(column, column.name) for column in left_out) - read


def _arrow_field(column: Column) -> pa.Field:
    field = arrow_field(column)
    return field.with_type(_TAG) if column.role is Role.TAG else field


def _nanoseconds(window: Window) -> tuple[int, int]:
    # The ends of the times that InfluxDB can hold.
    return max(window.start_us * 1000, -(2**63)), min(window.end_us * 1000, 2**63 - 1)
