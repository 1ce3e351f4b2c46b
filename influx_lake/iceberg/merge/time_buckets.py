"""Rows bucketed by time, spilled to disk when they are many, so that two sets can be joined bucket by bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.iceberg.merge.lookahead_stream import LookaheadStream
from influx_lake.row_buffer import RowBuffer

BUCKETS = 64
PAIR_BYTES = 64 * 2**20
"""The most bytes of two sets that are joined at once; a larger bucket is split again, down to a microsecond."""
IN_MEMORY_BYTES = 32 * 2**20
"""The most bytes that are buffered before they are written to disk."""


class TimeBuckets:
    """Rows of one schema in buckets of equal duration.

    Args:
        schema: The rows' schema.
        time_column: A column of timestamps in microseconds.
        start_us: The first time, in microseconds since 1970.
        end_us: The end of the time range, exclusive.
    """

    def __init__(self, schema: pa.Schema, time_column: str, start_us: int, end_us: int) -> None:
        self.schema = schema
        self.start_us = start_us
        self.end_us = end_us
        self._time_column = time_column
        self._width = -(-(end_us - start_us) // BUCKETS)
        self._slices = [RowBuffer(schema) for _ in range(BUCKETS)]
        self._gone = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch."""
        for number, part in self._split(batch):
            if number < self._gone:
                raise RuntimeError("rows were added to a bucket that was dropped")
            self._slices[number].wait(part)
        if sum(part.waiting_bytes for part in self._slices) > IN_MEMORY_BYTES:
            for part in self._slices:
                part.write_out()

    def take(self, number: int, rows: LookaheadStream) -> None:
        """Add rows of a stream until a bucket is complete."""
        for batch in rows.before(self.start_us + (number + 1) * self._width):
            self.add(batch)

    def drop(self, number: int) -> None:
        """Delete a bucket; afterwards no rows may be added to it, or to one before it."""
        self._slices[number].close()
        self._gone = number + 1

    def size(self, number: int) -> int:
        """The bytes of a bucket, in memory."""
        return self._slices[number].size

    def is_finest(self) -> bool:
        """Whether a bucket is a microsecond long, and cannot be split."""
        return self._width <= 1

    def finer(self, number: int) -> TimeBuckets:
        """Split a bucket into buckets."""
        start = self.start_us + number * self._width
        cut = TimeBuckets(self.schema, self._time_column, start, start + self._width)
        for batch in self._slices[number].read():
            cut.add(batch)
        return cut

    def table(self, number: int) -> pa.Table:
        """A bucket as a table."""
        return pa.Table.from_batches(self._slices[number].read(), self.schema)

    def ordered(self, rows: LookaheadStream) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a stream, in any order, bucket by bucket."""
        for number in range(BUCKETS):
            self.take(number, rows)
            yield from self._slices[number].read()
            self.drop(number)

    def close(self) -> None:
        """Delete what is on disk."""
        for part in self._slices:
            part.close()

    def _split(self, batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
        if not len(batch):
            return
        times = batch.column(self._time_column).cast(pa.int64())
        numbers = pc.divide(pc.subtract(times, self.start_us), self._width)
        ends = pc.min_max(numbers).as_py()
        if ends["min"] == ends["max"]:
            yield ends["min"], batch
            return
        order = pc.array_sort_indices(numbers)
        ordered, first = batch.take(order), 0
        for run in pc.value_counts(numbers.take(order)):
            yield run["values"].as_py(), ordered.slice(first, run["counts"].as_py())
            first += run["counts"].as_py()


def pairs(
    one: TimeBuckets, ones: LookaheadStream, other: TimeBuckets, others: LookaheadStream
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the buckets of two streams, oldest first, with as much of both at once as fits in memory.

    Streams in rough time order are hardly buffered: a bucket is complete once both streams are past it.

    Args:
        one: Buffers the first stream; empty.
        ones: The first stream.
        other: Buffers the second stream; empty, and with the same bounds.
        others: The second stream.
    """
    for number in range(BUCKETS):
        one.take(number, ones)
        other.take(number, others)
        yield from _pairs_of(number, one, other)
        one.drop(number)
        other.drop(number)


def filled(buckets: TimeBuckets) -> Iterator[pa.Table]:
    """Yield the buckets of a complete set, with as much at once as fits in memory."""
    for number in range(BUCKETS):
        if buckets.size(number) > PAIR_BYTES and not buckets.is_finest():
            with closing(buckets.finer(number)) as finer:
                yield from filled(finer)
        elif buckets.size(number):
            yield buckets.table(number)


def filled_pairs(one: TimeBuckets, other: TimeBuckets) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the buckets of two complete sets with the same bounds, with as much of both as fits in memory."""
    for number in range(BUCKETS):
        yield from _pairs_of(number, one, other)


def _pairs_of(number: int, one: TimeBuckets, other: TimeBuckets) -> Iterator[tuple[pa.Table, pa.Table]]:
    size = one.size(number) + other.size(number)
    if size > PAIR_BYTES and not one.is_finest():
        with closing(one.finer(number)) as finer, closing(other.finer(number)) as other_finer:
            for part in range(BUCKETS):
                yield from _pairs_of(part, finer, other_finer)
    elif size:
        yield one.table(number), other.table(number)
