"""The windows of a measurement that closed, and those of them that are missing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import overload

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Every, Window
from influx_lake.iceberg.table_state.coverage import Coverage

_start, _end = attrgetter("start"), attrgetter("end")
_last: dict[tuple[Every, str], tuple[datetime, tuple[Window, ...]]] = {}


@dataclass(frozen=True, slots=True)
class ClosedWindows(Sequence[Window]):
    """Windows that closed, oldest first: stretches of a list that measurements have in common.

    Five years have 43,800 hours, and a lake may have 10,000 measurements.

    Attributes:
        shared: Windows, one after the other without a gap.
        stretches: Which of them it is, by their places.
    """

    shared: tuple[Window, ...]
    stretches: tuple[range, ...]

    def __len__(self) -> int:
        return sum(map(len, self.stretches))

    def __iter__(self) -> Iterator[Window]:
        return (self.shared[place] for stretch in self.stretches for place in stretch)

    @overload
    def __getitem__(self, index: int) -> Window: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Window, ...]: ...

    def __getitem__(self, index: int | slice) -> Window | tuple[Window, ...]:
        if isinstance(index, slice):
            return tuple(self[each] for each in range(*index.indices(len(self))))
        left = index + len(self) if index < 0 else index
        for stretch in self.stretches if left >= 0 else ():
            if left < len(stretch):
                return self.shared[stretch[left]]
            left -= len(stretch)
        raise IndexError(index)

    def missing(self, coverage: Coverage) -> ClosedWindows:
        """Those that a table does not hold as a whole."""
        found: list[range] = []
        for stretch in self.stretches:
            span = Window(self.shared[stretch.start].start, self.shared[stretch.stop - 1].end)
            for gap in coverage.gaps(span):
                begin = bisect_right(self.shared, gap.start, stretch.start, stretch.stop, key=_end)
                end = bisect_left(self.shared, gap.end, begin, stretch.stop, key=_start)
                if found and begin <= found[-1].stop:
                    # Two gaps may lie in one window.
                    begin = found.pop().start
                found.append(range(begin, end))
        return ClosedWindows(self.shared, tuple(found))

    def before(self, moment: datetime) -> int:
        """How many of them begin before a time."""
        place = bisect_left(self.shared, moment, key=_start)
        return sum(max(0, min(place, stretch.stop) - stretch.start) for stretch in self.stretches)

    @property
    def spans(self) -> tuple[Window, ...]:
        """Their time, windows that touch as one."""
        return tuple(Window(self.shared[each.start].start, self.shared[each.stop - 1].end) for each in self.stretches)


def closed_windows(measurement: Measurement, now: datetime) -> ClosedWindows:
    """The windows of a measurement that closed at least its lag ago and are kept.

    Args:
        measurement: The measurement.
        now: The present.
    """
    scheme, start, until = measurement.scheme, measurement.kept_since(now), now - measurement.lag
    of = scheme.every, scheme.timezone
    known = _last.get(of)
    if known is None or known[0] != until or not known[1] or known[1][0].start > start:
        windows = tuple(window for window in scheme.windows(start, until) if window.end <= until)
        known = _last[of] = until, windows
    shared = known[1]
    begin = bisect_right(shared, start, key=_end)
    return ClosedWindows(shared, (range(begin, len(shared)),) if begin < len(shared) else ())
