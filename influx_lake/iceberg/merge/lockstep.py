"""Compares two sorted streams batch by batch while their keys are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from influx_lake.iceberg.merge.key_join import KeyedRows
from influx_lake.iceberg.spill.sorted_int64_set import Numbers


class Lockstep:
    """Two streams of batches, compared from their starts.

    Args:
        one: A stream.
        other: The other, of the same schema.
        number: Returns the ids of the keys of a batch.
    """

    def __init__(
        self,
        one: Iterator[pa.RecordBatch],
        other: Iterator[pa.RecordBatch],
        number: Callable[[pa.RecordBatch], Numbers],
    ) -> None:
        self._one = _Stream(one, number)
        self._other = _Stream(other, number)

    def while_equal(self) -> Iterator[tuple[KeyedRows, KeyedRows]]:
        """Yield the rows of both whose keys are equal, up to the first difference."""
        while count := min(self._one.available(), self._other.available()):
            equal = _equal(self._one.numbers[:count], self._other.numbers[:count])
            if equal:
                yield self._one.take(equal), self._other.take(equal)
            if equal < count:
                return

    def rest(self) -> tuple[Iterator[pa.RecordBatch], Iterator[pa.RecordBatch]]:
        """The remaining rows of both."""
        return self._one.rest(), self._other.rest()


class _Stream:
    def __init__(self, batches: Iterator[pa.RecordBatch], number: Callable[[pa.RecordBatch], Numbers]) -> None:
        self._batches = batches
        self._number = number
        self._head: pa.RecordBatch | None = None
        self.numbers: Numbers = np.empty(0, np.int64)

    def available(self) -> int:
        """The number of rows that can be taken at once; 0 at the end."""
        while not len(self.numbers) and (batch := next(self._batches, None)) is not None:
            self._head, self.numbers = batch, self._number(batch)
        return len(self.numbers)

    def take(self, count: int) -> KeyedRows:
        """The next rows."""
        assert self._head is not None
        taken = KeyedRows(pa.Table.from_batches([self._head.slice(0, count)]), self.numbers[:count])
        self._head, self.numbers = self._head.slice(count), self.numbers[count:]
        return taken

    def rest(self) -> Iterator[pa.RecordBatch]:
        if self._head is not None and len(self._head):
            yield self._head
        yield from self._batches


def _equal(one: Numbers, other: Numbers) -> int:
    """The length of the common prefix."""
    if np.array_equal(one, other):
        return len(one)
    return int(np.argmax(one != other))
