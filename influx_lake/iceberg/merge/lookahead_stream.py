"""A batch stream with the minimum time of its remaining rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc


class TimesAhead:
    """The least time among the rows of a stream that are still to come, in eight bytes for each of its batches."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._least: list[int] = []
        self._from: list[int] = []

    @classmethod
    def of(cls, times: Iterable[pa.Array]) -> TimesAhead:
        """What the times of a stream's rows say, in its order; in microseconds, and none of them null."""
        ahead = cls()
        for part in times:
            if len(part):
                ahead.add(len(part), pc.min(part.cast(pa.int64())).as_py())
        return ahead

    def add(self, rows: int, least_us: int) -> None:
        """Note the next rows of the stream.

        Args:
            rows: How many.
            least_us: The least of their times, in microseconds since 1970.
        """
        self._ends.append(rows + (self._ends[-1] if self._ends else 0))
        self._least.append(least_us)

    def after(self, rows: int) -> int | None:
        """The least time of those that come after so many rows; None when there are none."""
        if len(self._from) < len(self._least):
            self._from = list(accumulate(reversed(self._least), min))[::-1]
        place = bisect_right(self._ends, rows)
        return self._from[place] if place < len(self._from) else None


@dataclass(slots=True)
class Arriving:
    """What is left of a stream of rows.

    Attributes:
        batches: The rows.
        ahead: The times of all that the stream had.
        gone: How many rows it had before these.
    """

    batches: Iterator[pa.RecordBatch]
    ahead: TimesAhead
    gone: int = 0

    def before(self, end_us: int) -> Iterator[pa.RecordBatch]:
        """Batches until no row from before a moment is still to come; later rows come along with them."""
        while (least := self.ahead.after(self.gone)) is not None and least < end_us:
            batch = next(self.batches)
            self.gone += len(batch)
            yield batch
