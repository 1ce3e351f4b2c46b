"""The rows of one window from staged points."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from influx_lake.config.values.source_schema import Column, ColumnType, Role
from influx_lake.config.values.windows import Window, from_nanoseconds, utc_text
from influx_lake.errors import DataRefused, WindowInterrupted
from influx_lake.sources.arrow_types import ARROW_TYPES
from influx_lake.sources.points.cells import Places
from influx_lake.sources.points.measurement import MeasurementPoints
from influx_lake.sources.points.registry import FieldName
from influx_lake.sources.points.rows import Points, TagColumns, beyond_floats, sliced, with_integers
from influx_lake.sources.points.wanted_columns import WantedColumns
from influx_lake.sources.points.wide_rows import are_wide, of_fields

log = logging.getLogger("influx_lake.sources")


class WindowRows:
    """A `RowStream` of the points of one window.

    Args:
        points: The points.
        wanted: The columns.
        window: The window.
        place_of: Returns the file and line of a value.
        begin: The nanosecond to begin with, if not with the first one of the window.
    """

    def __init__(
        self,
        points: MeasurementPoints,
        wanted: WantedColumns,
        window: Window,
        place_of: Callable[[FieldName, int, int], str | None],
        begin: int | None = None,
    ) -> None:
        self._points = points
        self._wanted = wanted
        self._window = window
        self._place_of = place_of
        first, self._end = nanoseconds(window)
        self._begin = first if begin is None else begin
        self._measurement = wanted.schema.measurement
        self._tags = TagColumns([name for column, name in wanted.columns if column.role is Role.TAG], points.series)
        unknown = {name for each in points.series for name, _ in each} - wanted.tags
        self._unknown_tags = np.array([any(name in unknown for name, _ in each) for each in points.series if unknown])
        self.schema = wanted.passed_on

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        rewritten = 0
        for piece in self._points.pieces(self._begin, self._end):
            if not (parts := [part for part in map(self._of_fields, piece) if len(part)]):
                continue
            points, fields = self._points.side_by_side(parts)
            rewritten += fields.rewritten
            for batch in self._wanted.selected(self._rows(points, fields.columns)):
                yield from sliced(batch)
        if rewritten:
            log.warning(
                "%s, %s: points that were written more than once, with different values of a field: %s (the last "
                "value wins). If these are different points whose times were rounded, to seconds for example, write "
                "them with a precision that distinguishes them",
                self._measurement,
                self._window,
                f"{rewritten:,}",
            )

    def _of_fields(self, part: pa.Table) -> pa.Table:
        """The values of the fields that are read, in every type, and those that are not declared."""
        if not self._wanted.schema.needs_a_field:
            return part
        read = {name for column, name in self._wanted.columns if column.role is Role.FIELD}
        kept = [name in read or kind not in self._taken(name) for name, kind in self._points.fields]
        if all(kept):
            return part
        if are_wide(part):
            return of_fields(part, kept.__getitem__)
        return part.filter(pa.array(np.array(kept)[part.column("field").to_numpy()]))

    def _rows(self, points: Points, fields: Mapping[int, pa.Array]) -> pa.RecordBatch:
        found = {self._points.fields[number]: values for number, values in fields.items()}
        self._check_declared(points, found)
        columns = [self._values(column, name, points, found) for column, name in self._wanted.columns]
        return pa.RecordBatch.from_arrays(columns, schema=self._wanted.read)

    def _check_declared(self, points: Points, found: Mapping[FieldName, pa.Array]) -> None:
        """Make sure that nothing is lost: files may have been added since the columns were determined."""
        new = {
            name
            for (name, kind), values in found.items()
            if kind not in self._taken(name) and values.null_count < len(values)
        }
        if self._unknown_tags.any():
            series = np.flatnonzero(self._unknown_tags)
            there = series[np.isin(series, points.series)].tolist()
            new |= {name for each in there for name, _ in self._points.series[each]} - self._wanted.tags
        if new:
            raise WindowInterrupted(
                f"files were added since the columns of {self._measurement} were determined, and have "
                f"{', '.join(map(repr, sorted(new)[:5]))} as new columns or with new types",
                remedy="Load the window again",
            )

    def _taken(self, name: str) -> set[ColumnType]:
        """The types of a field's values that have a column."""
        types = self._wanted.types.get(name, set())
        return types | {ColumnType.INTEGER} if ColumnType.FLOAT in types else types

    def _values(self, column: Column, name: str, points: Points, fields: Mapping[FieldName, pa.Array]) -> pa.Array:
        if column.role is Role.TIME:
            return pa.array(points.time).cast(pa.timestamp("ns"))
        if column.role is Role.TAG:
            return self._tags.column(name, points.series)
        values = fields.get((name, column.type), pa.nulls(len(points), ARROW_TYPES[column.type]))
        integers = fields.get((name, ColumnType.INTEGER))
        if integers is None or not {ColumnType.FLOAT, column.type} <= self._wanted.types[name]:
            return values
        # A field with both has one column of floats, and one of the integers that are not equal to any float.
        beyond = beyond_floats(integers)
        if column.type is ColumnType.INTEGER:
            return beyond
        if column.type is not ColumnType.FLOAT:
            return values
        if ColumnType.INTEGER not in self._wanted.types[name] and beyond.null_count < len(beyond):
            raise self._refused(name, beyond, points.time)
        return with_integers(values, integers)

    def _refused(self, field: str, beyond: pa.Array, times: Places) -> DataRefused:
        """The error for integers in a field of floats that are not equal to any float."""
        first = int(np.flatnonzero(beyond.is_valid().to_numpy(zero_copy_only=False))[0])
        value, time = beyond[first].as_py(), int(times[first])
        place = self._place_of((field, ColumnType.INTEGER), value, time)
        return DataRefused(
            f"the field {field!r} is of type float, since it has floats, and its integer {value} is not equal "
            f"to any float (at {utc_text(from_nanoseconds(time))}{f', in {place}' if place else ''})",
            remedy="Declare the field under `columns` of the source: as integer, if all of its values are "
            "whole numbers; as float, so that such records are bad ones, which `max_bad_lines` "
            "can leave out; or write it as strings",
        )


def nanoseconds(window: Window) -> tuple[int, int]:
    """A window's first nanosecond since 1970 and the first one after it, limited to the range of InfluxDB's times."""
    return max(window.start_us * 1000, -(2**63)), min(window.end_us * 1000, 2**63 - 1)
