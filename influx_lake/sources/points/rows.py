"""Converts cells to rows with the fields of each point side by side, the last value of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import ColumnType
from influx_lake.sources.points.cells import Mask, Numbers, Places
from influx_lake.sources.points.registry import FieldName, Tags

_BATCH_ROWS = 131_072
_NOTHING = -1


@dataclass(frozen=True, slots=True)
class Points:
    """Points, sorted by time and series.

    Attributes:
        time: The time of each point.
        series: The series of each point.
        of_cell: The index of the point that each cell belongs to.
    """

    time: Places
    series: Places
    of_cell: npt.NDArray[np.intp]

    @classmethod
    def of(cls, time: Places, series: Numbers, series_count: int) -> Points:
        """The points that cells belong to."""
        start = int(time.min())
        if (int(time.max()) - start + 1) * series_count < 2**63:
            keys, of_cell = np.unique((time - start) * series_count + series, return_inverse=True)
            return cls(keys // series_count + start, keys % series_count, of_cell)
        order = np.lexsort((series, time))
        sorted_time, sorted_series = time[order], series[order]
        new = np.ones(len(order), np.bool_)
        new[1:] = (np.diff(sorted_time) != 0) | (np.diff(sorted_series) != 0)
        of_cell = np.empty(len(order), np.intp)
        of_cell[order] = np.cumsum(new) - 1
        return cls(sorted_time[new], sorted_series[new].astype(np.int64), of_cell)

    @classmethod
    def of_all(cls, parts: Sequence[pa.Table], series_count: int) -> Points:
        """The points of cells and rows."""
        time, series = (np.concatenate([part.column(name).to_numpy() for part in parts]) for name in ("time", "series"))
        return cls.of(time, series, series_count)

    def __len__(self) -> int:
        return len(self.time)


class TagColumns:
    """Makes columns of tags from the numbers of series.

    Args:
        names: The tags.
        series: The series.
    """

    def __init__(self, names: Sequence[str], series: Sequence[Tags]) -> None:
        values: dict[str, list[str | None]] = {name: [None] * len(series) for name in names}
        for number, tags in enumerate(series):
            for name, value in tags:
                if name in values:
                    values[name][number] = value
        self._columns = {name: pa.array(column, pa.string()).dictionary_encode() for name, column in values.items()}

    def column(self, name: str, series: Places) -> pa.DictionaryArray:
        """The column of a tag."""
        return self._columns[name].take(pa.array(series))


@dataclass(frozen=True, slots=True)
class FieldColumns:
    """The fields of points.

    Attributes:
        columns: The columns of the fields that have values, by the fields' numbers.
        rewritten: How many points have a field that was written more than once, with different values.
    """

    columns: dict[int, pa.Array]
    rewritten: int


def field_columns(cells: pa.Table, points: Points, fields: Sequence[FieldName]) -> FieldColumns:
    """The columns of fields. Of several values of one field of one point the last one wins, whatever its type."""
    numbers = cells.column("field").to_numpy()
    written = _Written(points, cells.column("bits").to_numpy(), cells.column("text"))
    # Stable sorts of small integers are radix sorts.
    order = np.argsort(numbers.astype(np.uint16) if len(fields) < 2**16 else numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=len(fields)))
    begins = np.concatenate(([0], ends[:-1]))
    by_name: dict[str, list[int]] = {}
    for number in np.flatnonzero(ends > begins).tolist():
        by_name.setdefault(fields[number][0], []).append(number)
    columns: dict[int, pa.Array] = {}
    for same in by_name.values():
        rows = {number: order[begins[number] : ends[number]] for number in same}
        columns |= written.columns({number: (fields[number][1], each) for number, each in rows.items()})
    return FieldColumns(columns, int(written.rewritten.sum()))


class _Written:
    """The values of points in the order in which they were written.

    Args:
        points: The points.
        bits: The values' bits.
        texts: The values that are strings.
    """

    def __init__(self, points: Points, bits: Places, texts: pa.ChunkedArray) -> None:
        self._points = points
        self._bits = bits
        self._texts = texts
        self.rewritten: Mask = np.zeros(len(points), np.bool_)

    def columns(self, types: Mapping[int, tuple[ColumnType, Places]]) -> dict[int, pa.Array]:
        """The columns of one field: given the type and the rows of each of its numbers, which stand for types."""
        places = {number: self._last(rows) for number, (_, rows) in types.items()}
        latest = np.maximum.reduce(list(places.values()))
        if sum(len(rows) for _, rows in types.values()) > np.count_nonzero(latest >= 0):
            self._compare(types, latest)
        if len(places) > 1:
            places = {number: np.where(place == latest, place, _NOTHING) for number, place in places.items()}
        return {number: _column(types[number][0], place, self._bits, self._texts) for number, place in places.items()}

    def _last(self, rows: Places) -> Places:
        """The row of each point's last value: numpy keeps the last of several values for one index."""
        place = np.full(len(self._points), _NOTHING, np.int64)
        place[self._points.of_cell[rows]] = rows
        return place

    def _compare(self, types: Mapping[int, tuple[ColumnType, Places]], latest: Places) -> None:
        """Mark the points with a value that differs from the last one."""
        of_cell = self._points.of_cell
        rows = np.concatenate([each for _, each in types.values()])
        lost = rows[latest[of_cell[rows]] != rows]
        kept = latest[of_cell[lost]]
        looked_at: Mask = np.zeros(len(self._bits), np.bool_)
        looked_at[lost] = looked_at[kept] = True
        parts = [(kind, each[looked_at[each]]) for kind, each in types.values()]
        values = pa.concat_arrays([_comparable(*part, self._bits, self._texts) for part in parts if len(part[1])])
        place = np.empty(len(self._bits), np.int64)
        place[np.concatenate([each for _, each in parts])] = np.arange(len(values))
        differ = pc.not_equal(values.take(pa.array(place[lost])), values.take(pa.array(place[kept])))
        self.rewritten[of_cell[lost[differ.to_numpy(zero_copy_only=False)]]] = True


def _comparable(kind: ColumnType, rows: Places, bits: Places, texts: pa.ChunkedArray) -> pa.Array:
    """Convert values to strings that are the same for equal numbers."""
    column = _column(kind, rows, bits, texts)
    if kind is ColumnType.STRING:
        return pc.binary_join_element_wise("s", column, "")
    if kind is ColumnType.FLOAT:
        whole = column.cast(pa.int64(), safe=False)
        same = pc.and_(
            pc.less(pc.abs(column), pa.scalar(2.0**63)), pc.equal(whole.cast(pa.float64(), safe=False), column)
        )
        return pc.if_else(same, whole.cast(pa.string()), column.cast(pa.string()))
    return column.cast(pa.string())


def _column(kind: ColumnType, place: Places, bits: Places, texts: pa.ChunkedArray) -> pa.Array:
    missing: Mask = place < 0
    if kind is ColumnType.STRING:
        return pa.concat_arrays(texts.take(pa.array(place, mask=missing)).chunks)
    values = bits[place]
    match kind:
        case ColumnType.FLOAT:
            values = values.view(np.float64)
        case ColumnType.UINTEGER:
            values = values.view(np.uint64)
        case ColumnType.BOOLEAN:
            values = values.astype(np.bool_)
    return pa.array(values, mask=missing)


def with_integers(floats: pa.Array, integers: pa.Array) -> pa.Array:
    """Fill the gaps of floats with integers, except those that are not equal to any float."""
    same = integers.cast(pa.float64(), safe=False)
    return pc.coalesce(floats, pc.if_else(_is_exact(integers, same), same, pa.scalar(None, pa.float64())))


def beyond_floats(integers: pa.Array) -> pa.Array:
    """The integers that are not equal to any float."""
    exact = _is_exact(integers, integers.cast(pa.float64(), safe=False))
    return pc.if_else(exact, pa.scalar(None, pa.int64()), integers)


def _is_exact(integers: pa.Array, floats: pa.Array) -> pa.Array:
    # 2^63 is a float, but not an int64.
    below = pc.less(floats, pa.scalar(2.0**63))
    back = pc.if_else(below, floats, pa.scalar(0.0)).cast(pa.int64(), safe=False)
    return pc.and_(below, pc.equal(back, integers))


def sliced(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Split a batch into pieces of a size suited to writers."""
    for begin in range(0, len(batch), _BATCH_ROWS):
        yield batch.slice(begin, _BATCH_ROWS)
