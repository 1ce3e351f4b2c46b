"""Compares two sorted streams batch by batch while their points are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from influx_lake.iceberg.merge.key_join import Numbered
from influx_lake.iceberg.spill.sorted_int64_set import Numbers


class SideBySide:
    """Two streams.

    Args:
        one: A stream of batches.
        other: Another one, of the same schema.
        number: Numbers the points of a batch: equal exactly where the points are.
    """

    def __init__(
        self,
        one: Iterator[pa.RecordBatch],
        other: Iterator[pa.RecordBatch],
        number: Callable[[pa.RecordBatch], Numbers],
    ) -> None:
        self._one = _Stream(one, number)
        self._other = _Stream(other, number)

    def while_equal(self) -> Iterator[tuple[Numbered, Numbered]]:
        """As many rows of both at once as are at hand, up to those whose points are not the same."""
        while count := min(self._one.at_hand(), self._other.at_hand()):
            equal = _equal(self._one.numbers[:count], self._other.numbers[:count])
            if equal:
                yield self._one.take(equal), self._other.take(equal)
            if equal < count:
                return

    def rest(self) -> tuple[Iterator[pa.RecordBatch], Iterator[pa.RecordBatch]]:
        """What is left of both."""
        return self._one.rest(), self._other.rest()


class _Stream:
    def __init__(self, batches: Iterator[pa.RecordBatch], number: Callable[[pa.RecordBatch], Numbers]) -> None:
        self._batches = batches
        self._number = number
        self._head: pa.RecordBatch | None = None
        self.numbers: Numbers = np.empty(0, np.int64)

    def at_hand(self) -> int:
        """How many rows can be taken; 0 at the end."""
        while not len(self.numbers) and (batch := next(self._batches, None)) is not None:
            self._head, self.numbers = batch, self._number(batch)
        return len(self.numbers)

    def take(self, count: int) -> Numbered:
        """The next rows."""
        assert self._head is not None
        taken = Numbered(pa.Table.from_batches([self._head.slice(0, count)]), self.numbers[:count])
        self._head, self.numbers = self._head.slice(count), self.numbers[count:]
        return taken

    def rest(self) -> Iterator[pa.RecordBatch]:
        if self._head is not None and len(self._head):
            yield self._head
        yield from self._batches


def _equal(one: Numbers, other: Numbers) -> int:
    """How many numbers are equal from the start."""
    if np.array_equal(one, other):
        return len(one)
    return int(np.argmax(one != other))
