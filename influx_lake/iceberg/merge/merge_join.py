"""Merge join of loaded rows with those of the table: loaded values win, unmatched rows stay; memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.merge.key_join import Numbered, filled, last_of_each, numbered
from influx_lake.iceberg.merge.key_set import PointsAside
from influx_lake.iceberg.merge.lockstep import SideBySide
from influx_lake.iceberg.merge.lookahead_stream import Arriving, TimesAhead
from influx_lake.iceberg.merge.time_buckets import TimeSlices, pairs
from influx_lake.iceberg.spill.sorted_int64_set import among


@dataclass(slots=True)
class LayingOver:
    """Lays rows over others of the same schema.

    Where the points of both come in the same order, as those of a window do that is loaded again, they are compared one
    by one as they stream by. From the first difference on they are cut by time, and the pieces compared.

    Attributes:
        points: The points of the rows that come, all of them noted.
        window: The window of both.
        schema: The schema of both.
        merge_fields: Let a null that comes keep the held value.
        kept: How many rows of those that are held did not come.
    """

    points: PointsAside
    window: Window
    schema: pa.Schema
    merge_fields: bool
    kept: int = 0

    def over(
        self,
        coming: Iterator[pa.RecordBatch],
        held: Iterator[pa.RecordBatch],
        held_times: Callable[[], Iterable[pa.Array]],
    ) -> Iterator[pa.RecordBatch]:
        """Every point of either, once: with the coming values where it comes, and of these with the last.

        Args:
            coming: The rows that come.
            held: The rows that are there.
            held_times: Reads the times of these, in the same order.
        """
        alike = 0
        if self.points.differ:
            both = SideBySide(coming, held, self.points.of)
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
        ahead = TimesAhead.of(held_times())
        yield from self._by_time(Arriving(coming, self.points.ahead, alike), Arriving(held, ahead, alike))

    def _by_time(self, coming: Arriving, held: Arriving) -> Iterator[pa.RecordBatch]:
        with closing(self._slices()) as coming_slices, closing(self._slices()) as held_slices:
            for one, other in pairs(coming_slices, coming, held_slices, held):
                yield from self._joined(one, other)

    def _kept(self, held: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in self.points.lacking(held):
            self.kept += len(batch)
            yield batch

    def _joined(self, coming: pa.Table, held: pa.Table) -> Iterator[pa.RecordBatch]:
        if self.points.suffice:
            new, old = self._numbered(coming), self._numbered(held)
            lacking = self.points.lack(old.numbers)
        else:
            new, old = numbered(coming, held, self.points.key)
            lacking = ~among(old.numbers, np.sort(new.numbers))
        if not self.points.differ:
            new = last_of_each(new, self.points.key)
        yield from self._filled(new, old)
        kept = held.filter(pa.array(lacking)) if lacking.any() else held.slice(0, 0)
        self.kept += len(kept)
        yield from kept.to_batches()

    def _filled(self, coming: Numbered, held: Numbered) -> list[pa.RecordBatch]:
        rows = filled(coming, held, self.points.key.all) if self.merge_fields else coming.rows
        return list(rows.to_batches())

    def _numbered(self, rows: pa.Table) -> Numbered:
        numbers = [self.points.of(batch) for batch in rows.to_batches()]
        return Numbered(rows, np.concatenate(numbers) if numbers else np.empty(0, np.int64))

    def _slices(self) -> TimeSlices:
        return TimeSlices(self.schema, self.points.key.time, self.window.start_us, self.window.end_us)
