"""The keys of a stream of points, kept as int64 ids, to test other points for membership."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.lookahead_stream import TimesAhead
from influx_lake.iceberg.merge.point_key import PointKey
from influx_lake.iceberg.merge.series_ids import SeriesNumbers
from influx_lake.iceberg.spill.sorted_int64_set import Mask, Numbers, NumbersAside, among, pieces

_STRETCHES = 16
_BITS = 63


class PointsAside:
    """Numbers for the points of a window: equal exactly where time and series are, and in the order of time.

    Args:
        key: What tells points apart.
        window: The window that the rows are in.

    Attributes:
        ahead: The times of the rows that were noted.
        suffice: Whether eight bytes were enough for every point that was noted; if not, rows have to be compared.
    """

    def __init__(self, key: PointKey, window: Window) -> None:
        self.key = key
        self.ahead = TimesAhead()
        self.suffice = True
        self._window = window
        self._per_us = 1000 if key.nanoseconds else 1
        self._series_bits = _BITS - ((window.end_us - window.start_us) * self._per_us).bit_length()
        self._no_series = (1 << self._series_bits) - 1
        self._series = SeriesNumbers(key.columns)
        self._noted = NumbersAside()

    def noting(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows as they come, noted."""
        for batch in batches:
            numbers = self.of(batch)
            self.suffice = self.suffice and not (numbers & self._no_series == self._no_series).any()
            self._noted.add(numbers)
            if len(numbers):
                self.ahead.add(len(numbers), self._time_of(numbers.min()))
            yield batch

    @cached_property
    def differ(self) -> bool:
        """Whether the points that were noted, all of them by now, are known to be different ones."""
        if not self.suffice:
            return False
        with closing(NumbersAside()) as none:
            return not any((noted[1:] == noted[:-1]).any() for noted, _ in pieces(self._noted, none))

    def of(self, batch: pa.RecordBatch) -> Numbers:
        """The number of each row's point: that of no noted point where eight bytes cannot hold it."""
        series = np.minimum(self._series.of(batch), self._no_series)
        times = _microseconds(batch.column(self.key.time)) - self._window.start_us
        if self._per_us > 1:
            below = self.key.below_microseconds(batch)
            fine = np.zeros(len(batch), np.int64) if below is None else np.asarray(below)
            odd = (fine < 0) | (fine >= self._per_us)
            series = np.where(odd, self._no_series, series)
            times = times * self._per_us + np.where(odd, 0, fine)
        return times << self._series_bits | series

    def lacking_times(self, others: Iterable[pa.RecordBatch]) -> list[tuple[int, int]]:
        """Where among other rows there are points that were not noted.

        Returns:
            Stretches of time [start, end), in microseconds since 1970, few of them, oldest first.
        """
        found: list[tuple[int, int]] = []
        gap = (self._window.end_us - self._window.start_us) // _STRETCHES
        with closing(NumbersAside()) as held:
            for batch in others:
                held.add(self.of(batch))
            for noted, other in pieces(self._noted, held):
                lacking = other[~among(other, noted)]
                if len(lacking):
                    _join_on(found, self._time_of(lacking[0]), self._time_of(lacking[-1]) + 1, gap)
        return found

    def lacking(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Those of some rows whose points were not noted."""
        for batch in batches:
            lacking = self.lack(self.of(batch))
            if lacking.any():
                yield batch.filter(pa.array(lacking))

    def lack(self, numbers: Numbers) -> Mask:
        """Which of some points were not noted."""
        return ~self._noted.hold(numbers)

    @property
    def in_memory(self) -> bool:
        """Whether any points can be compared with these at little cost; else a short stretch of time at once."""
        return self._noted.in_memory

    def close(self) -> None:
        """Delete what is on disk."""
        self._noted.close()

    def _time_of(self, number: np.int64) -> int:
        """A point's time, in microseconds since 1970."""
        return (int(number) >> self._series_bits) // self._per_us + self._window.start_us


class OtherPoints:
    """Counts rows whose place is taken by rows of other points: `write.key` may leave out tags that tell them apart.

    Args:
        key: What tells points apart by `write.key`.
        window: The window that the rows are in.
    """

    def __init__(self, key: PointKey, window: Window) -> None:
        whole = replace(key, columns=(*key.columns, *key.tags), tags=())
        self._points = PointsAside(whole, window) if key.tags else None

    def noting(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows that come, noted with all of their tags."""
        return iter(batches) if self._points is None else self._points.noting(batches)

    def replaced(self, held: pa.RecordBatch, points: PointsAside) -> int:
        """How many of some rows that are held are not among those that come, while their points by the key are."""
        if self._points is None or not (points.suffice and self._points.suffice):
            return 0
        come = ~points.lack(points.of(held))
        return int((come & self._points.lack(self._points.of(held))).sum()) if come.any() else 0

    def close(self) -> None:
        """Delete what is on disk."""
        if self._points is not None:
            self._points.close()


def _join_on(stretches: list[tuple[int, int]], start: int, end: int, gap: int) -> None:
    """Add a stretch, as part of the one before where that is near: a few long ones are read faster than many."""
    if stretches and start - stretches[-1][1] <= gap:
        stretches[-1] = (stretches[-1][0], end)
    else:
        stretches.append((start, end))


def _microseconds(times: pa.Array) -> Numbers:
    """Whole microseconds, floored: a cast cuts towards 1970."""
    if times.type.unit != "ns":
        times = times.cast(pa.timestamp("us", times.type.tz))
        return np.asarray(times.cast(pa.int64()))
    return np.asarray(times.cast(pa.int64())) // 1000
