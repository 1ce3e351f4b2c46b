"""Merge join of loaded rows with those of the table: loaded values win, unmatched rows stay; memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.key_join import KeyedRows, coalesced, keyed, last_of_each_key
from influx_lake.iceberg.merge.key_set import KeySet
from influx_lake.iceberg.merge.lockstep import Lockstep
from influx_lake.iceberg.merge.lookahead_stream import LookaheadStream, RemainingTimes
from influx_lake.iceberg.merge.time_buckets import TimeBuckets, pairs
from influx_lake.iceberg.spill.sorted_int64_set import is_in_sorted


@dataclass(slots=True)
class MergeJoin:
    """Joins loaded rows with the table's, of the same schema, by their keys.

    While the keys of both streams are equal and in the same order, as they are when a window is loaded again, they are
    joined in lockstep. From the first difference on, both are bucketed by time, and joined bucket by bucket.

    Attributes:
        points: The keys of the loaded rows, all of them recorded.
        window: The window of both.
        schema: The schema of both.
        merge_fields: Whether a loaded null keeps the table's value.
        kept: The number of the table's rows whose keys were not loaded.
    """

    points: KeySet
    window: Window
    schema: pa.Schema
    merge_fields: bool
    kept: int = 0

    def join(
        self,
        coming: Iterator[pa.RecordBatch],
        held: Iterator[pa.RecordBatch],
        held_times: Callable[[], Iterable[pa.Array]],
    ) -> Iterator[pa.RecordBatch]:
        """Yield every key of either stream once: with the loaded values where it was loaded, and the last of these.

        Args:
            coming: The loaded rows.
            held: The table's rows.
            held_times: Reads the times of the table's rows, in the same order.
        """
        alike = 0
        if self.points.distinct:
            both = Lockstep(coming, held, self.points.of)
            for one, other in both.while_equal():
                alike += len(one.numbers)
                yield from self._filled(one, other)
            coming, held = both.rest()
            if (next_held := next(held, None)) is None:
                yield from coming
                return
            held = chain([next_held], held)
            if (next_coming := next(coming, None)) is None and self.points.in_memory:
                yield from self._kept(held)
                return
            coming = chain([next_coming] if next_coming is not None else [], coming)
        ahead = RemainingTimes.of(held_times())
        yield from self._by_time(LookaheadStream(coming, self.points.times, alike), LookaheadStream(held, ahead, alike))

    def _by_time(self, coming: LookaheadStream, held: LookaheadStream) -> Iterator[pa.RecordBatch]:
        with closing(self._slices()) as coming_slices, closing(self._slices()) as held_slices:
            for one, other in pairs(coming_slices, coming, held_slices, held):
                yield from self._joined(one, other)

    def _kept(self, held: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in self.points.filter_unmatched(held):
            self.kept += len(batch)
            yield batch

    def _joined(self, coming: pa.Table, held: pa.Table) -> Iterator[pa.RecordBatch]:
        if self.points.exact:
            new, old = self._numbered(coming), self._numbered(held)
            unmatched = self.points.not_in(old.numbers)
        else:
            new, old = keyed(coming, held, self.points.key)
            unmatched = ~is_in_sorted(old.numbers, np.sort(new.numbers))
        if not self.points.distinct:
            new = last_of_each_key(new, self.points.key)
        yield from self._filled(new, old)
        kept = held.filter(pa.array(unmatched)) if unmatched.any() else held.slice(0, 0)
        self.kept += len(kept)
        yield from kept.to_batches()

    def _filled(self, coming: KeyedRows, held: KeyedRows) -> list[pa.RecordBatch]:
        rows = coalesced(coming, held, self.points.key.all) if self.merge_fields else coming.rows
        return list(rows.to_batches())

    def _numbered(self, rows: pa.Table) -> KeyedRows:
        numbers = [self.points.of(batch) for batch in rows.to_batches()]
        return KeyedRows(rows, np.concatenate(numbers) if numbers else np.empty(0, np.int64))

    def _slices(self) -> TimeBuckets:
        return TimeBuckets(self.schema, self.points.key.time, self.window.start_us, self.window.end_us)
