"""The keys of a stream of points, as int64 ids, to test other points for membership."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.lookahead_stream import RemainingTimes
from influx_lake.iceberg.merge.point_key import PointKey
from influx_lake.iceberg.merge.series_ids import SeriesIds
from influx_lake.iceberg.spill.sorted_int64_set import Mask, Numbers, SortedInt64Set, aligned_chunks, is_in_sorted

_STRETCHES = 16
_BITS = 63


class KeySet:
    """The set of a window's point keys, each an int64 id: equal for equal time and series, and ordered by time.

    Args:
        key: The key.
        window: The window of the rows.

    Attributes:
        times: The times of the recorded rows.
        exact: Whether every recorded key fits an id; if not, the keys themselves have to be compared.
    """

    def __init__(self, key: PointKey, window: Window) -> None:
        self.key = key
        self.times = RemainingTimes()
        self.exact = True
        self._window = window
        self._per_us = 1000 if key.nanoseconds else 1
        self._series_bits = _BITS - ((window.end_us - window.start_us) * self._per_us).bit_length()
        self._no_series = (1 << self._series_bits) - 1
        self._series = SeriesIds(key.columns)
        self._recorded = SortedInt64Set()

    def record(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Record the keys of batches while passing them through."""
        for batch in batches:
            self.add(batch)
            yield batch

    def add(self, batch: pa.RecordBatch) -> Numbers:
        """Record the keys of a batch, and return their ids."""
        numbers = self.of(batch)
        if self._series.count > self._no_series:
            self.exact = self.exact and not (numbers & self._no_series == self._no_series).any()
        self._recorded.add(numbers)
        if len(numbers):
            self.times.add(len(numbers), self._time_of(numbers.min()))
        return numbers

    @cached_property
    def distinct(self) -> bool:
        """Whether the recorded rows are known to have distinct keys; to be called once all are recorded."""
        if not self.exact:
            return False
        with closing(SortedInt64Set()) as none:
            return not any(
                (recorded[1:] == recorded[:-1]).any() for recorded, _ in aligned_chunks(self._recorded, none)
            )

    def of(self, batch: pa.RecordBatch) -> Numbers:
        """The id of each row's key; one that no recorded key has where an id has no room for it."""
        series = self._series.of(batch)
        if self._series.count > self._no_series:
            series = np.minimum(series, self._no_series)
        times = _microseconds(batch.column(self.key.time)) - self._window.start_us
        if self._per_us > 1:
            below = self.key.below_microseconds(batch)
            fine = np.zeros(len(batch), np.int64) if below is None else np.asarray(below)
            odd = (fine < 0) | (fine >= self._per_us)
            series = np.where(odd, self._no_series, series)
            times = times * self._per_us + np.where(odd, 0, fine)
        times <<= self._series_bits
        times |= series
        return times

    def times_of(self, numbers: Numbers) -> tuple[int, int]:
        """The first and last time of some keys, one at least, in microseconds since 1970."""
        return self._time_of(numbers.min()), self._time_of(numbers.max())

    def moments_of(self, numbers: Numbers) -> Numbers:
        """The time of each of some keys, in microseconds since 1970."""
        return (numbers >> self._series_bits) // self._per_us + self._window.start_us

    def unmatched_times(self, others: Iterable[pa.RecordBatch]) -> list[tuple[int, int]]:
        """The times of rows whose keys are not in the set.

        Returns:
            Ranges of time [start, end), in microseconds since 1970; few of them, oldest first.
        """
        found: list[tuple[int, int]] = []
        gap = (self._window.end_us - self._window.start_us) // _STRETCHES
        with closing(SortedInt64Set()) as held:
            for batch in others:
                held.add(self.of(batch))
            for recorded, other in aligned_chunks(self._recorded, held):
                unmatched = other[~is_in_sorted(other, recorded)]
                if len(unmatched):
                    _join_on(found, self._time_of(unmatched[0]), self._time_of(unmatched[-1]) + 1, gap)
        return found

    def filter_unmatched(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows whose keys are not in the set."""
        for batch in batches:
            unmatched = self.not_in(self.of(batch))
            if unmatched.any():
                yield batch.filter(pa.array(unmatched))

    def not_in(self, numbers: Numbers) -> Mask:
        """The mask of the ids that are not in the set."""
        return ~self._recorded.contains(numbers)

    @property
    def in_memory(self) -> bool:
        """Whether look-ups of any keys are cheap; else only those within a short range of time are."""
        return self._recorded.in_memory

    def close(self) -> None:
        """Delete what is on disk."""
        self._recorded.close()

    def _time_of(self, number: np.int64) -> int:
        """The time of an id, in microseconds since 1970."""
        return (int(number) >> self._series_bits) // self._per_us + self._window.start_us


class DisplacedRows:
    """Counts rows of the table that are replaced by rows with other tags, where `write.key` leaves out tags.

    Args:
        key: The key by `write.key`.
        window: The window of the rows.
    """

    def __init__(self, key: PointKey, window: Window) -> None:
        whole = replace(key, columns=(*key.columns, *key.tags), tags=())
        self._points = KeySet(whole, window) if key.tags else None

    def record(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Record the keys of loaded batches, with all of their tags, while passing them through."""
        return iter(batches) if self._points is None else self._points.record(batches)

    def replaced(self, held: pa.RecordBatch, points: KeySet) -> int:
        """The number of the table's rows that are replaced, and by none with the same tags."""
        if self._points is None or not (points.exact and self._points.exact):
            return 0
        come = ~points.not_in(points.of(held))
        return int((come & self._points.not_in(self._points.of(held))).sum()) if come.any() else 0

    def close(self) -> None:
        """Delete what is on disk."""
        if self._points is not None:
            self._points.close()


def _join_on(stretches: list[tuple[int, int]], start: int, end: int, gap: int) -> None:
    """Add a range, or extend the last one where it is near: a few long ranges are read faster than many short ones."""
    if stretches and start - stretches[-1][1] <= gap:
        stretches[-1] = (stretches[-1][0], end)
    else:
        stretches.append((start, end))


def _microseconds(times: pa.Array) -> Numbers:
    """Whole microseconds, rounded down: a cast rounds towards 1970."""
    if times.type.unit != "ns":
        times = times.cast(pa.timestamp("us", times.type.tz))
        return np.asarray(times.cast(pa.int64()))
    return np.asarray(times.cast(pa.int64())) // 1000
