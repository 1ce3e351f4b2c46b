"""A batch stream with the minimum time of its remaining rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc


class RemainingTimes:
    """The suffix minimum of a stream's times, by batch."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._least: list[int] = []
        self._from: list[int] = []

    @classmethod
    def of(cls, times: Iterable[pa.Array]) -> RemainingTimes:
        """Compute it from the times of all rows, in the stream's order and in microseconds, without nulls."""
        ahead = cls()
        for part in times:
            if len(part):
                ahead.add(len(part), pc.min(part.cast(pa.int64())).as_py())
        return ahead

    def add(self, rows: int, least_us: int) -> None:
        """Add a batch.

        Args:
            rows: The number of its rows.
            least_us: The minimum of their times, in microseconds since 1970.
        """
        self._ends.append(rows + (self._ends[-1] if self._ends else 0))
        self._least.append(least_us)

    def after(self, rows: int) -> int | None:
        """The minimum time after a number of rows; None at the end."""
        if len(self._from) < len(self._least):
            self._from = list(accumulate(reversed(self._least), min))[::-1]
        place = bisect_right(self._ends, rows)
        return self._from[place] if place < len(self._from) else None


@dataclass(slots=True)
class LookaheadStream:
    """A batch stream, with the minimum time of its remaining rows.

    Attributes:
        batches: The rows.
        ahead: The suffix minimum of the whole stream's times.
        gone: The number of rows that were taken already.
    """

    batches: Iterator[pa.RecordBatch]
    ahead: RemainingTimes
    gone: int = 0

    def before(self, end_us: int) -> Iterator[pa.RecordBatch]:
        """Yield batches until no remaining row is before a time; they may also hold later rows."""
        while (least := self.ahead.after(self.gone)) is not None and least < end_us:
            batch = next(self.batches)
            self.gone += len(batch)
            yield batch
