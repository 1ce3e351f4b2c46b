"""Which time a table holds, kept in the table itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config.windows import Window, merged

if TYPE_CHECKING:
    from pyiceberg.table import Table

PROPERTY = "influx-lake.coverage"
"""The table property, written in the same commit as a window's rows: `start/end,start/end`, merged and sorted."""
TAILS = "influx-lake.tails"
"""The same for what tails added of windows that are not loaded as a whole yet; not there where there are none."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which time a table holds.

    A window without rows is loaded too: that nothing happened is known, which row counts cannot tell.

    Attributes:
        intervals: Time that was loaded and can be counted on, merged where it touches.
        tails: Time, outside the intervals, whose rows a tail added: in the table, and to be loaded as a whole yet.
    """

    intervals: tuple[Window, ...] = ()
    tails: tuple[Window, ...] = ()

    @classmethod
    def of(cls, table: Table) -> Coverage:
        """What the table says it holds."""
        properties = table.metadata.properties
        return cls.parse(properties.get(PROPERTY, ""), properties.get(TAILS, ""))

    @classmethod
    def parse(cls, intervals: str, tails: str = "") -> Coverage:
        """Read the texts of `properties`."""
        return cls(_parsed(intervals), _parsed(tails))

    def __str__(self) -> str:
        return _text(self.intervals)

    def properties(self) -> dict[str, str]:
        """The table properties that say so; `TAILS` is among them also where it is empty, for it may have to go."""
        return {PROPERTY: str(self), TAILS: _text(self.tails)}

    def adding(self, window: Window | None) -> Coverage:
        """The coverage after a window was loaded; None adds nothing."""
        if window is None:
            return self
        return Coverage(merged((*self.intervals, window)), _without(self.tails, window))

    def replacing(self, window: Window, loaded: Window | None) -> Coverage:
        """The coverage after all rows of a window were replaced, of which only a part, or nothing, counts as loaded."""
        return Coverage(self.intervals, _without(self.tails, window)).adding(loaded)

    def tailing(self, part: Window) -> Coverage:
        """The coverage after a tail added the rows of a part of a window."""
        tails = merged((*self.tails, part))
        for interval in self.intervals:
            tails = _without(tails, interval)
        return Coverage(self.intervals, tails)

    def not_tailed(self, window: Window) -> tuple[Window, ...]:
        """The parts of a window whose rows neither a load nor a tail brought, oldest first."""
        return Coverage(merged((*self.intervals, *self.tails))).gaps(window)

    @property
    def newest(self) -> datetime | None:
        """The end of the newest time whose rows are there, whatever is missing before it."""
        return max((part.end for part in (*self.intervals[-1:], *self.tails[-1:])), default=None)

    def holds(self, window: Window) -> bool:
        """Whether the whole window was loaded."""
        return any(interval.start <= window.start and window.end <= interval.end for interval in self.intervals)

    def gaps(self, window: Window) -> tuple[Window, ...]:
        """The parts of a window that were not loaded, oldest first."""
        gaps, start = [], window.start
        for interval in self.intervals:
            if start < interval.start and start < window.end:
                gaps.append(Window(start, min(interval.start, window.end)))
            start = max(start, interval.end)
        return (*gaps, Window(start, window.end)) if start < window.end else tuple(gaps)

    def missing(self, windows: Iterable[Window]) -> list[Window]:
        """The windows that were not wholly loaded, in their order."""
        return [window for window in windows if not self.holds(window)]


def _parsed(text: str) -> tuple[Window, ...]:
    return tuple(Window.parse(part) for part in text.split(",") if part)


def _text(windows: Iterable[Window]) -> str:
    return ",".join(str(window) for window in windows)


def _without(windows: Iterable[Window], cut: Window) -> tuple[Window, ...]:
    left: list[Window] = []
    for window in windows:
        if window.start < min(window.end, cut.start):
            left.append(Window(window.start, min(window.end, cut.start)))
        if max(window.start, cut.end) < window.end:
            left.append(Window(max(window.start, cut.end), window.end))
    return tuple(left)
