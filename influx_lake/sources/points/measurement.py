"""A measurement in several files: its series and fields under one numbering, its points by time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from influx_lake.sources.points.cells import SCHEMA, Numbers, Places
from influx_lake.sources.points.registry import FieldName, MeasurementKey, Tags, numbering
from influx_lake.sources.points.rows import FieldColumns, Points, field_columns
from influx_lake.sources.points.staged_file import Unit
from influx_lake.sources.points.wide_rows import are_wide, as_cells, columns_of, renumbered, side_by_side

ROWS_AT_ONCE = 1_000_000


class _Chunk(NamedTuple):
    """Values of one measurement, sorted by time; `part` and `run` order chunks by when they were written."""

    first: int
    part: int
    run: int
    number: int
    rows: int


@dataclass(frozen=True, slots=True)
class _Part:
    """The data of the measurement in one unit.

    Attributes:
        unit: The unit.
        number: The measurement's number in it.
        series: The series' numbers in the measurement, by their numbers in the unit.
        fields: The fields' numbers in the measurement, by their numbers in the unit.
    """

    unit: Unit
    number: int
    series: Numbers
    fields: Numbers


class MeasurementPoints:
    """The points of one measurement.

    Args:
        units: The files; the values of later ones win.
        wanted: The measurement's keys in them.
    """

    def __init__(self, units: Sequence[Unit], wanted: Sequence[MeasurementKey]) -> None:
        series: dict[Tags, int] = numbering()
        fields: dict[FieldName, int] = {}
        self._parts = [
            _part(unit, number, series, fields)
            for unit in units
            for number, key in enumerate(unit.measurements)
            if key in wanted
        ]
        self.series = list(series)
        self.fields = list(fields)

    @property
    def has_values(self) -> bool:
        """Whether the values are available, not only the facts about them."""
        return all(part.unit.has_values for part in self._parts)

    def spans(self) -> tuple[Places, Places, Places]:
        """The first time, the last time and the number of rows of each chunk."""
        mine = [(part.unit.chunks, part.unit.chunks["measurement"] == part.number) for part in self._parts]
        first, last, rows = (
            np.concatenate([np.empty(0, np.int64), *(known[name][which] for known, which in mine)])
            for name in ("first", "last", "rows")
        )
        return first, last, rows

    def cells(self, begin: int, end: int) -> Iterator[pa.Table]:
        """The cells of a time range [begin, end), in consecutive pieces, none of them empty.

        Rows with equal times are in the order in which they were written.
        """
        for piece in self.pieces(begin, end):
            yield self.as_cells(piece)

    def as_cells(self, piece: Sequence[pa.Table]) -> pa.Table:
        """The cells of a piece, in the order in which they were written."""
        return pa.concat_tables([as_cells(each, self.fields) if are_wide(each) else each for each in piece])

    def side_by_side(self, piece: Sequence[pa.Table]) -> tuple[Points, FieldColumns]:
        """The points of a piece and the columns of their fields; of several values of a field the last one wins."""
        if all(map(are_wide, piece)) and (rows := side_by_side(piece, len(self.series))) is not None:
            time, series = rows.column("time").to_numpy(), rows.column("series").to_numpy()
            points = Points(time, series.astype(np.int64), np.arange(len(time)))
            return points, FieldColumns(columns_of(rows), 0)
        cells = self.as_cells(piece)
        points = Points.of_all([cells], len(self.series))
        return points, field_columns(cells, points, self.fields)

    def pieces(self, begin: int, end: int) -> Iterator[list[pa.Table]]:
        """Cells and rows of a time range [begin, end), in consecutive pieces, none of them empty.

        Those with equal times are in the order in which they were written. Of the chunks read so far only the last one
        of each run can have rows after the next chunk's first: these wait for the next piece.
        """
        chunks = sorted(self._chunks(begin, end))
        waiting: list[tuple[_Chunk, pa.Table]] = []
        fresh = 0
        for place, chunk in enumerate(chunks, start=1):
            # A chunk may have no row in the range although it spans it.
            if len(read := self._read(chunk, begin, end)):
                waiting.append((chunk, read))
            fresh += chunk.rows
            if place < len(chunks) and fresh >= max(ROWS_AT_ONCE, sum(_values(rows) for _, rows in waiting) - fresh):
                bound = chunks[place].first
                parts = [(each, rows, _place(rows, bound)) for each, rows in waiting]
                if settled := [(each, rows.slice(0, cut)) for each, rows, cut in parts if cut]:
                    yield _in_order(settled)
                    fresh = 0
                waiting = [(each, rows.slice(cut)) for each, rows, cut in parts if cut < len(rows)]
        if waiting:
            yield _in_order(waiting)

    def _chunks(self, begin: int, end: int) -> Iterator[_Chunk]:
        for place, part in enumerate(self._parts):
            known = part.unit.chunks
            inside = (known["measurement"] == part.number) & (known["first"] < end) & (known["last"] >= begin)
            for number in np.flatnonzero(inside).tolist():
                first, run, rows = (int(known[name][number]) for name in ("first", "run", "rows"))
                yield _Chunk(first, place, run, number, rows)

    def _read(self, chunk: _Chunk, begin: int, end: int) -> pa.Table:
        part = self._parts[chunk.part]
        rows = pa.Table.from_batches([part.unit.chunk(chunk.number)])
        first, last = _place(rows, begin), _place(rows, end)
        rows = rows.slice(first, last - first)
        if are_wide(rows):
            return renumbered(rows, part.series, part.fields)
        series, fields = part.series[rows.column("series")], part.fields[rows.column("field")]
        return pa.table([pa.array(series), pa.array(fields), *rows.columns[2:]], schema=SCHEMA)


def _part(unit: Unit, number: int, series: dict[Tags, int], fields: dict[FieldName, int]) -> _Part:
    numbers, tags = unit.series(number)
    series_map = np.full(int(numbers.max(initial=-1)) + 1, -1, np.int32)
    series_map[numbers] = list(map(series.__getitem__, tags))
    field_map = np.full(len(unit.fields), -1, np.int32)
    for place, key in enumerate(unit.fields):
        if key.measurement == number:
            field_map[place] = fields.setdefault((key.name, key.type), len(fields))
    return _Part(unit, number, series_map, field_map)


def _place(rows: pa.Table, time: int) -> int:
    return int(np.searchsorted(rows.column("time").to_numpy(), time))


def _values(rows: pa.Table) -> int:
    return len(rows) * (rows.num_columns - 2) if are_wide(rows) else len(rows)


def _in_order(parts: list[tuple[_Chunk, pa.Table]]) -> list[pa.Table]:
    """The rows of chunks in the order in which they were written."""
    return [rows for _, rows in sorted(parts, key=lambda part: (part[0].part, part[0].run, part[0].number))]
