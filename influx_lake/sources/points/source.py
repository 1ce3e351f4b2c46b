"""A source of points in files of any format."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol

import pyarrow as pa

from influx_lake.config.values.conditions import Condition
from influx_lake.config.values.source_schema import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window, from_nanoseconds
from influx_lake.errors import MeasurementNotFound
from influx_lake.sources.conditions import is_exact
from influx_lake.sources.declared_columns import DeclaredColumn, declared_columns
from influx_lake.sources.points.direct_rows import DirectReader, DirectRows
from influx_lake.sources.points.left_out import all_left_out
from influx_lake.sources.points.measurement import MeasurementPoints
from influx_lake.sources.points.outside import outside_of, reaches_out
from influx_lake.sources.points.registry import FieldName, MeasurementKey
from influx_lake.sources.points.rows import Points
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.survey import FileSurvey
from influx_lake.sources.points.wanted_columns import WantedColumns
from influx_lake.sources.points.window_rows import WindowRows, nanoseconds
from influx_lake.sources.protocol import RowStream, ServerInfo
from influx_lake.sources.remarks import Outside, Survey

log = logging.getLogger("influx_lake.sources")

_OPEN_AT_ONCE = 8
_TAG = pa.dictionary(pa.int32(), pa.string())


class Archive(Protocol):
    """Files of points, of one format."""

    @property
    def identity(self) -> str:
        """The location of these files, without credentials."""
        ...

    @property
    def product(self) -> str:
        """The kind of files, for messages."""
        ...

    def units(
        self, window: Window | None, measurement: str | None = None, left_out: frozenset[str] = frozenset()
    ) -> Sequence[Unit]:
        """The points of the files that can hold a window's points, or of all files; later files win.

        Args:
            window: The window; None for all files that can be read, to find out the columns.
            measurement: The measurement to read; None for any.
            left_out: Fields that are not needed.

        Raises:
            SourceError: A file that the window needs cannot be read.
        """
        ...

    def wants(self, key: MeasurementKey) -> bool:
        """Whether a measurement of a file belongs to this source."""
        ...

    @property
    def merges_numbers(self) -> bool:
        """Whether a field of floats may hold integers without having two types."""
        ...

    def declared(self, measurement: str) -> tuple[Sequence[str], Sequence[FieldName]] | None:
        """The tags and fields of a measurement; None if they have to be found in the files."""
        ...

    def names(self) -> list[str] | None:
        """The measurements; None if they have to be found in the files."""
        ...

    def place_of(self, measurement: str, field: FieldName, value: int, time: int) -> str | None:
        """The file and the line of a value; None if unknown.

        Raises:
            SourceError: The file cannot be read again.
        """
        ...

    def state(self) -> str:
        """The amount of data, for messages."""
        ...

    def units_read(self) -> Sequence[Unit]:
        """The points of all files that were read so far, for any window."""
        ...

    @property
    def time_unit(self) -> str:
        """The option of the unit of times, with its value: `precision: ns`."""
        ...

    def survey(self) -> FileSurvey:
        """Summarise all files if their columns are found in them, otherwise some of them."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


class PointsSource:
    """A `Source` of points in files.

    Args:
        archive: The files.
        direct: Reads windows without staging files, if these are plain.
    """

    def __init__(self, archive: Archive, direct: DirectReader | None = None) -> None:
        self._archive = archive
        self._direct = direct
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
        wanted = WantedColumns(schema, {each.column: each.name for each in self._columns(schema.measurement)})

        def staged(begin: int | None = None) -> RowStream:
            points = self._points(schema.measurement, window, wanted.left_out)
            return WindowRows(points, wanted, window, partial(self._archive.place_of, schema.measurement), begin)

        direct = self._direct.rows(wanted, window) if self._direct else None
        yield staged() if direct is None else DirectRows(wanted, direct, staged)

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
        """The names of the tags of all of a measurement's points, and its fields with all their types."""
        columns = [(each.name, each.column) for each in self._columns(measurement)]
        tags = tuple(name for name, column in columns if column.role is Role.TAG)
        return tags, tuple((name, column.type) for name, column in columns if column.role is Role.FIELD)

    def count(self, measurement: str, window: Window) -> int:
        points = self._points(measurement, window)
        return sum(len(Points.of_all(piece, len(points.series))) for piece in points.pieces(*nanoseconds(window)))

    def first_time(self, measurement: str) -> datetime | None:
        first, _, _ = self._points(measurement, None).spans()
        return from_nanoseconds(int(first.min())) if len(first) else None

    def outside(self, measurement: str, reach: Window) -> Outside | None:
        begin, end = nanoseconds(reach)
        if self._direct:
            self._direct.stage_beyond(begin, end)
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
