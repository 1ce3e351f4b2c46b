"""Which time a table holds, kept in the table itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.windows import Window

if TYPE_CHECKING:
    from pyiceberg.table import Table

PROPERTY = "influx-lake.coverage"
"""The table property, written in the same commit as a window's rows: `start/end,start/end`, merged and sorted."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The intervals whose windows were loaded, merged where they touch.

    A window without rows is loaded too: that nothing happened is known, which row counts cannot tell.
    """

    intervals: tuple[Window, ...] = ()

    @classmethod
    def of(cls, table: Table) -> Coverage:
        """What the table says it holds."""
        return cls.parse(table.metadata.properties.get(PROPERTY, ""))

    @classmethod
    def parse(cls, text: str) -> Coverage:
        """Read what `str()` wrote."""
        return cls(tuple(Window.parse(part) for part in text.split(",") if part))

    def __str__(self) -> str:
        return ",".join(str(interval) for interval in self.intervals)

    def adding(self, window: Window | None) -> Coverage:
        """The coverage after a window was loaded; None adds nothing."""
        if window is None:
            return self
        merged: list[Window] = []
        for interval in sorted((*self.intervals, window)):
            if merged and interval.start <= merged[-1].end:
                merged[-1] = Window(merged[-1].start, max(merged[-1].end, interval.end))
            else:
                merged.append(interval)
        return Coverage(tuple(merged))

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
