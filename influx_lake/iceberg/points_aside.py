"""The points of rows that stream by, kept aside to be compared with others: two numbers for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.windows import Window
from influx_lake.iceberg.point_join import codes_of
from influx_lake.iceberg.point_key import PointKey
from influx_lake.iceberg.series_numbers import SeriesNumbers
from influx_lake.iceberg.time_slices import TimeSlices, pairs

_TIME = "time"
_SERIES = "series"
_BELOW = "below"
_STRETCHES = 16
_SCHEMA = pa.schema([(_TIME, pa.int64()), (_SERIES, pa.int64()), (_BELOW, pa.int64())])


class PointsAside:
    """Time and series of the rows of a window.

    Args:
        key: What tells points apart.
        time_column: The column of time.
        window: The window that the rows are in.
        folder: Where points that do not fit in memory go.

    Attributes:
        twice: Whether a point came twice; known when the points were compared.
    """

    def __init__(self, key: PointKey, time_column: str, window: Window, folder: Path) -> None:
        self.key = key
        self.time_column = time_column
        self.twice = False
        self._window = window
        self._folder = folder
        self._numbers = SeriesNumbers(key.columns)
        self._points = self._slices()

    def noting(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows as they come, noted."""
        for batch in batches:
            self._points.add(self._point_of(batch, learn=True))
            yield batch

    def lacking_times(self, others: Iterable[pa.RecordBatch]) -> list[tuple[int, int]]:
        """Where among other rows there are points that were not noted.

        Returns:
            Stretches of time [start, end), in microseconds since 1970, few of them, oldest first.
        """
        found: list[tuple[int, int]] = []
        held = self._slices()
        try:
            for batch in others:
                held.add(self._point_of(batch, learn=False))
            for noted, other in pairs(self._points, held):
                lacking = other.filter(self._lacks(noted, other))
                if len(lacking):
                    ends = pc.min_max(lacking.column(_TIME)).as_py()
                    _join_on(found, ends["min"], ends["max"] + 1, (held.end_us - held.start_us) // _STRETCHES)
        finally:
            held.close()
        return found

    def lacking_rows(self, rows: TimeSlices) -> Iterator[pa.RecordBatch]:
        """Those of some rows, cut as the points are, whose points were not noted."""
        for noted, other in pairs(self._points, rows):
            points = pa.Table.from_batches(
                [self._point_of(batch, learn=False) for batch in other.to_batches()], _SCHEMA
            )
            yield from other.filter(self._lacks(noted, points)).to_batches()

    def close(self) -> None:
        """Delete what is on disk."""
        self._points.close()

    def _lacks(self, noted: pa.Table, other: pa.Table) -> pa.Array:
        noted_codes, other_codes = codes_of(noted, other, (_SERIES, _TIME, _BELOW))
        self.twice = self.twice or pc.count_distinct(noted_codes).as_py() < len(noted_codes)
        return pc.invert(pc.is_in(other_codes, value_set=noted_codes))

    def _point_of(self, batch: pa.RecordBatch, *, learn: bool) -> pa.RecordBatch:
        series = self._numbers.of(batch, learn=learn)
        times = _microseconds(batch.column(self.time_column))
        below = self.key.below_microseconds(batch)
        if below is None:
            below = pa.repeat(pa.scalar(0, pa.int64()), len(batch))
        return pa.RecordBatch.from_arrays([times, series, below], schema=_SCHEMA)

    def _slices(self) -> TimeSlices:
        return TimeSlices(_SCHEMA, _TIME, self._window.start_us, self._window.end_us, self._folder)


def _join_on(stretches: list[tuple[int, int]], start: int, end: int, gap: int) -> None:
    """Add a stretch, as part of the one before where that is near: a few long ones are read faster than many."""
    if stretches and start - stretches[-1][1] <= gap:
        stretches[-1] = (stretches[-1][0], end)
    else:
        stretches.append((start, end))


def _microseconds(times: pa.Array) -> pa.Array:
    """Whole microseconds, floored: a cast cuts towards 1970."""
    if times.type.unit != "ns":
        return times.cast(pa.timestamp("us", times.type.tz)).cast(pa.int64())
    fine = times.cast(pa.int64())
    whole = pc.divide(fine, 1000)
    below = pc.less(fine, pc.multiply(whole, 1000))
    return pc.subtract(whole, below.cast(pa.int64()))
