"""Cuts a window into slices of time, each for one task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from influx_lake.config.values.windows import EPOCH, Window

Numbers = npt.NDArray[np.int64]
_WORTH_A_TASK = 250_000
"""Slices have no fewer rows for the sake of parallelism: each makes a data file."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Where rows lie in time.

    Attributes:
        first: The first time of each group of rows, in nanoseconds since 1970.
        last: The last time of each.
        rows: The approximate number of rows of each.
    """

    first: Numbers
    last: Numbers
    rows: Numbers

    def within(self, window: Window) -> Self:
        """The groups that overlap a window."""
        inside = (self.first < window.end_us * 1000) & (self.last >= window.start_us * 1000)
        return type(self)(self.first[inside], self.last[inside], self.rows[inside])


def slices(window: Window, spans: Spans, rows_per_task: int, parallelism: int) -> list[Window]:
    """Cut a window into slices with about as many rows each.

    Args:
        window: The window.
        spans: Where its rows lie in time.
        rows_per_task: About the most rows of a slice.
        parallelism: How many tasks run at once.
    """
    inside = spans.within(window)
    rows = int(inside.rows.sum())
    count = max(-(-rows // rows_per_task), min(parallelism, rows // _WORTH_A_TASK), 1)
    if count == 1:
        return [window]
    middle = inside.first + (inside.last - inside.first) // 2
    order = np.argsort(middle, kind="stable")
    sums = np.cumsum(inside.rows[order])
    places = np.searchsorted(sums, sums[-1] * np.arange(1, count) / count)
    cuts = [EPOCH + timedelta(microseconds=int(each) // 1000) for each in middle[order][places]]
    bounds = [window.start, *sorted({cut for cut in cuts if window.start < cut < window.end}), window.end]
    return [Window(begin, end) for begin, end in pairwise(bounds)]
