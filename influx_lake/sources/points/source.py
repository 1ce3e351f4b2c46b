"""A source of points that lie in files, whatever their format."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa

from influx_lake.config.columns import TIME, Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.windows import Window
from influx_lake.errors import MeasurementNotFound, SchemaConflict
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.points.measurement import MeasurementPoints
from influx_lake.sources.points.registry import MeasurementKey
from influx_lake.sources.points.rows import Points, TagColumns, field_columns, sliced
from influx_lake.sources.points.unit import Unit
from influx_lake.sources.protocol import RowStream, ServerInfo

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

    def units(self, window: Window | None) -> Sequence[Unit]:
        """The points of the files that can hold a window's, or of all files; the later ones with what counts."""
        ...

    def wants(self, key: MeasurementKey) -> bool:
        """Whether a measurement of a file is one of this source."""
        ...

    def state(self) -> str:
        """How much there is, for people."""
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
        keys = (key for unit in self._archive.units(None) for key in unit.measurements)
        return sorted({key.name for key in keys if self._archive.wants(key)})

    def schema(self, measurement: str) -> MeasurementSchema:
        points = self._points(measurement, None)
        if not points.fields:
            raise MeasurementNotFound(
                f"{self.identity} has no measurement {measurement!r}",
                remedy="Check its name, and `database` and `retention_policy` of the source",
                measurement=measurement,
            )
        tags = sorted({name for series in points.series for name, _ in series})
        fields = sorted(points.fields)
        _check_names(measurement, tags, [name for name, _ in fields], points)
        return MeasurementSchema(
            measurement,
            (
                Column(TIME, Role.TIME, ColumnType.TIME),
                *(Column(name, Role.TAG, ColumnType.STRING) for name in tags),
                *(Column(name, Role.FIELD, kind) for name, kind in fields),
            ),
        )

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        yield _WindowRows(self._points(schema.measurement, window), schema, window)

    def count(self, measurement: str, window: Window) -> int:
        points = self._points(measurement, window)
        return sum(len(_points_of(cells, points)) for cells in points.cells(*_nanoseconds(window)))

    def close(self) -> None:
        self._opened.clear()
        self._archive.close()

    def _points(self, measurement: str, window: Window | None) -> MeasurementPoints:
        units = self._archive.units(window)
        place = (measurement, tuple(str(unit.folder) for unit in units))
        if place not in self._opened:
            keys = {key for unit in units for key in unit.measurements if key.name == measurement}
            self._opened[place] = MeasurementPoints(units, [key for key in keys if self._archive.wants(key)])
            while len(self._opened) > _OPEN_AT_ONCE:
                self._opened.popitem(last=False)
        return self._opened[place]


class _WindowRows:
    """A `RowStream`: the points of one window."""

    def __init__(self, points: MeasurementPoints, schema: MeasurementSchema, window: Window) -> None:
        self._points = points
        self._window = window
        self._tags = TagColumns(schema.tags, points.series)
        self._places = {(name, kind): number for number, (name, kind) in enumerate(points.fields)}
        self._columns = schema.columns
        self.schema = pa.schema([_arrow_field(column) for column in schema.columns])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for cells in self._points.cells(*_nanoseconds(self._window)):
            yield from sliced(self._rows(cells))

    def _rows(self, cells: pa.Table) -> pa.RecordBatch:
        points = _points_of(cells, self._points)
        fields = field_columns(cells, points, [kind for _, kind in self._points.fields])
        columns = []
        for column in self._columns:
            if column.role is Role.TIME:
                columns.append(pa.array(points.time).cast(pa.timestamp("ns")))
            elif column.role is Role.TAG:
                columns.append(self._tags.column(column.name, points.series))
            else:
                found = fields.get(self._places.get((column.name, column.type), -1))
                columns.append(pa.nulls(len(points), ARROW_TYPES[column.type]) if found is None else found)
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _points_of(cells: pa.Table, points: MeasurementPoints) -> Points:
    return Points.of(cells.column("time").to_numpy(), cells.column("series").to_numpy(), len(points.series))


def _arrow_field(column: Column) -> pa.Field:
    if column.role is Role.TIME:
        return pa.field(column.name, pa.timestamp("ns"), nullable=False)
    return pa.field(column.name, _TAG if column.role is Role.TAG else ARROW_TYPES[column.type])


def _nanoseconds(window: Window) -> tuple[int, int]:
    # The ends of the times that InfluxDB can hold.
    return max(window.start_us * 1000, -(2**63)), min(window.end_us * 1000, 2**63 - 1)


def _check_names(measurement: str, tags: Sequence[str], fields: Sequence[str], points: MeasurementPoints) -> None:
    twice = sorted({name for name in fields if fields.count(name) > 1})
    if twice:
        kinds = {name: ", ".join(sorted(kind for other, kind in points.fields if other == name)) for name in twice}
        raise SchemaConflict(
            "; ".join(f"the field {name!r} has several types: {kinds[name]}" for name in twice),
            measurement=measurement,
        )
    if both := sorted(set(tags) & set(fields)):
        raise SchemaConflict(f"{both[0]!r} is a tag and a field", measurement=measurement)
