"""From cells to rows: the fields of each point side by side, the last value of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.columns import ColumnType
from influx_lake.sources.points.cells import Mask, Numbers, Places
from influx_lake.sources.points.registry import Tags

_BATCH_ROWS = 131_072


@dataclass(frozen=True, slots=True)
class Points:
    """Points, in order of time and series.

    Attributes:
        time: Each one's time.
        series: Its series.
        of_cell: Which point each cell belongs to.
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

    def __len__(self) -> int:
        return len(self.time)


class TagColumns:
    """Tags as columns, from the series' numbers.

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
        """A tag of points."""
        return self._columns[name].take(pa.array(series))


def field_columns(cells: pa.Table, points: Points, kinds: Sequence[ColumnType]) -> dict[int, pa.Array]:
    """The columns of the fields that have values, by the fields' numbers."""
    numbers = cells.column("field").to_numpy()
    bits, texts = cells.column("bits").to_numpy(), cells.column("text")
    # A stable sort of small numbers is one by their digits.
    order = np.argsort(numbers.astype(np.uint16) if len(kinds) < 2**16 else numbers, kind="stable")
    counts = np.bincount(numbers, minlength=len(kinds))
    columns, begin = {}, 0
    for number in np.flatnonzero(counts).tolist():
        rows = order[begin : begin + counts[number]]
        begin += counts[number]
        # Of several values for one place numpy keeps the last.
        place = np.full(len(points), -1, np.int64)
        place[points.of_cell[rows]] = rows
        columns[number] = _column(kinds[number], place, bits, texts)
    return columns


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
    """Floats, and integers in their gaps; no integer that no float is equal to."""
    same = integers.cast(pa.float64(), safe=False)
    return pc.coalesce(floats, pc.if_else(_is_exact(integers, same), same, pa.scalar(None, pa.float64())))


def beyond_floats(integers: pa.Array) -> pa.Array:
    """The integers that no float is equal to."""
    exact = _is_exact(integers, integers.cast(pa.float64(), safe=False))
    return pc.if_else(exact, pa.scalar(None, pa.int64()), integers)


def _is_exact(integers: pa.Array, floats: pa.Array) -> pa.Array:
    # 2^63 is a float, and no integer.
    below = pc.less(floats, pa.scalar(2.0**63))
    back = pc.if_else(below, floats, pa.scalar(0.0)).cast(pa.int64(), safe=False)
    return pc.and_(below, pc.equal(back, integers))


def sliced(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in pieces of a size that writers like."""
    for begin in range(0, len(batch), _BATCH_ROWS):
        yield batch.slice(begin, _BATCH_ROWS)
