"""Merges sorted streams, in memory that depends on the number of streams, not on their length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.iceberg.sort.argsort import order_of
from influx_lake.iceberg.sort.key_encoding import ColumnCoding


@dataclass(slots=True)
class _Stream:
    """The rows of a stream that were read and not yielded yet, as columns."""

    batches: Iterator[pa.RecordBatch]
    columns: list[pa.Array] = field(default_factory=list)
    is_done: bool = False

    @property
    def rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def fill(self, coding: ColumnCoding) -> None:
        """Read the next batch if all rows were yielded."""
        while not self.rows and not self.is_done:
            batch = next(self.batches, None)
            self.is_done = batch is None
            self.columns = [] if batch is None else coding.code(batch)

    def take(self, count: int) -> list[pa.Array]:
        """Take the next rows."""
        taken = [values.slice(0, count) for values in self.columns]
        self.columns = [values.slice(count) for values in self.columns]
        return taken


def merged_batches(
    streams: Sequence[Iterator[pa.RecordBatch]], schema: pa.Schema, terms: Sequence[SortTerm]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of sorted streams in order, in the order of `sorted_batches`.

    One batch of each stream is in memory. Rows up to the smallest of their last keys are next: these are sorted as a
    whole, which costs little, since they consist of as many sorted parts as there are streams.

    Args:
        streams: The sorted streams.
        schema: Their schema.
        terms: The sort terms.
    """
    coding = ColumnCoding(schema)
    keys = [schema.names.index(term.column) for term in terms]
    descending = [term.descending for term in terms]
    waiting = [_Stream(iter(each)) for each in streams]
    while True:
        for stream in waiting:
            stream.fill(coding)
        waiting = [stream for stream in waiting if stream.rows]
        if not waiting:
            return
        heads = [
            coding.comparable(number, _joined(coding, number, [stream.columns for stream in waiting]))
            for number in keys
        ]
        order = order_of(heads, descending)
        ends = np.cumsum([stream.rows for stream in waiting])
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        # Up to the end of the first stream that may continue.
        taken = order[: int(places[ends - 1].min()) + 1]
        owners = np.searchsorted(ends, taken, side="right")
        counts = np.bincount(owners, minlength=len(waiting))
        begins = ends - [stream.rows for stream in waiting]
        parts = [stream.take(int(count)) for stream, count in zip(waiting, counts, strict=True)]
        rows = pa.array(taken + (np.cumsum(counts) - counts - begins)[owners])
        yield coding.restore(
            [pc.take(_joined(coding, number, parts), rows, boundscheck=False) for number in range(coding.width)]
        )


def _joined(coding: ColumnCoding, number: int, parts: Sequence[Sequence[pa.Array]]) -> pa.Array:
    """A column of some rows, in the current encoding."""
    return pa.concat_arrays([coding.current(number, columns[number]) for columns in parts])
