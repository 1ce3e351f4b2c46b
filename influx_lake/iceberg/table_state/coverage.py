"""Coverage: which time a table holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from influx_lake.config.values.windows import Window, merged


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which time a table holds.

    A window without rows counts as covered too, which row counts cannot show.

    Attributes:
        intervals: Covered time, adjacent intervals merged.
        tails: Time outside the intervals whose rows a tail added: in the table, and still to be loaded as a whole.
    """

    intervals: tuple[Window, ...] = ()
    tails: tuple[Window, ...] = ()

    @classmethod
    def parse(cls, intervals: str, tails: str = "") -> Coverage:
        """Parse texts of `windows_text`.

        Raises:
            ValueError: One of them is something else.
        """
        return cls(parse_windows(intervals), parse_windows(tails))

    def __str__(self) -> str:
        return windows_text(self.intervals)

    def adding(self, window: Window | None) -> Coverage:
        """The coverage after a window was loaded; unchanged for None."""
        if window is None:
            return self
        return Coverage(merged((*self.intervals, window)), _without(self.tails, window))

    def replacing(self, window: Window, loaded: Window | None) -> Coverage:
        """The coverage after all rows of a window were replaced, of which only a part, or nothing, is covered."""
        return Coverage(self.intervals, _without(self.tails, window)).adding(loaded)

    def tailing(self, part: Window) -> Coverage:
        """The coverage after a tail added the rows of a part of a window."""
        return Coverage(self.intervals, _without(merged((*self.tails, part)), *self.intervals))

    def losing(self, lost: Iterable[Window]) -> Coverage:
        """The coverage after rows of some time were removed: none of it is covered or tailed."""
        cut = tuple(lost)
        return Coverage(_without(self.intervals, *cut), _without(self.tails, *cut))

    def without(self, other: Coverage) -> tuple[Window, ...]:
        """The time that is covered or tailed here and not in another coverage."""
        return _without(merged((*self.intervals, *self.tails)), *other.intervals, *other.tails)

    def within(self, windows: Iterable[Window]) -> Coverage:
        """The part of the coverage that lies in some windows."""
        return self.losing(_without(merged((*self.intervals, *self.tails)), *windows))

    def not_tailed(self, window: Window) -> tuple[Window, ...]:
        """The parts of a window that neither a load nor a tail has covered, oldest first."""
        return Coverage(merged((*self.intervals, *self.tails))).gaps(window)

    @property
    def newest(self) -> datetime | None:
        """The end of the newest covered or tailed time, whatever is missing before it."""
        return max((part.end for part in (*self.intervals[-1:], *self.tails[-1:])), default=None)

    def holds(self, window: Window) -> bool:
        """Whether the whole window is covered."""
        return any(interval.contains(window) for interval in self.intervals)

    def gaps(self, window: Window) -> tuple[Window, ...]:
        """The parts of a window that are not covered, oldest first."""
        gaps, start = [], window.start
        for interval in self.intervals:
            if start < interval.start and start < window.end:
                gaps.append(Window(start, min(interval.start, window.end)))
            start = max(start, interval.end)
        return (*gaps, Window(start, window.end)) if start < window.end else tuple(gaps)

    def missing(self, windows: Iterable[Window]) -> list[Window]:
        """The windows that are not entirely covered, in their order."""
        return [window for window in windows if not self.holds(window)]


def parse_windows(text: str) -> tuple[Window, ...]:
    """Parse a text of `windows_text`.

    Raises:
        ValueError: The text is something else.
    """
    return tuple(Window.parse(part) for part in text.split(",") if part)


def windows_text(windows: Iterable[Window]) -> str:
    """Encode windows as `start/end,start/end`."""
    return ",".join(str(window) for window in windows)


def at_most(windows: Sequence[Window], most: int) -> tuple[Window, ...]:
    """Merge windows, those with the smallest gaps first, until there are at most `most`."""
    found = list(windows)
    while len(found) > most:
        place = min(range(len(found) - 1), key=lambda each: found[each + 1].start - found[each].end)
        found[place : place + 2] = [Window(found[place].start, found[place + 1].end)]
    return tuple(found)


def _without(windows: Iterable[Window], *cut: Window) -> tuple[Window, ...]:
    """The time of windows, oldest first, that lies in none of the others."""
    left: list[Window] = []
    cuts, place = merged(cut), 0
    for window in windows:
        while place < len(cuts) and cuts[place].end <= window.start:
            place += 1
        start, at = window.start, place
        while at < len(cuts) and cuts[at].start < window.end:
            if start < cuts[at].start:
                left.append(Window(start, cuts[at].start))
            start, at = max(start, cuts[at].end), at + 1
        if start < window.end:
            left.append(Window(start, window.end))
    return tuple(left)
