"""Splits a window into queries that the server can answer."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

from influx_lake.config.values.read_options import ReadingOptions
from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import Window

log = logging.getLogger("influx_lake.sources")

_MILLISECOND = timedelta(milliseconds=1)
_PARTS_AFTER_A_BREAK = 8


@dataclass(slots=True)
class WorkingSizes:
    """How much time of each measurement a server was able to answer for in one query.

    Threads may share it.
    """

    options: ReadingOptions
    _sizes: dict[str, timedelta] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def pieces(self, measurement: str, window: Window) -> deque[Window]:
        """A window in pieces of a size that works, oldest first; whole where nothing is known against it."""
        with self._lock:
            size = self._sizes.get(measurement, self.options.longest_query)
        if size is None:
            return deque([window])
        found: deque[Window] = deque()
        start = window.start
        while start < window.end:
            end = min(start + size, window.end)
            found.append(Window(start, end))
            start = end
        return found

    def splits(self, piece: Window) -> bool:
        """Whether a piece is longer than the shortest ones that are allowed."""
        return _part(piece, 2) >= self.options.shortest_query

    def halves(self, measurement: str, piece: Window) -> tuple[Window, Window] | None:
        """A piece that was too large in two, and its half remembered; None where it is as short as allowed."""
        half = _part(piece, 2)
        if half < self.options.shortest_query:
            return None
        self._remember(measurement, half)
        log.warning(
            "%s: a query for %s is too large for the server: reading pieces of %s (longest_query: %s would begin so)",
            measurement,
            format_duration(_part(piece, 1)),
            *[format_duration(half)] * 2,
        )
        middle = piece.start + half
        return Window(piece.start, middle), Window(middle, piece.end)

    def broke(self, measurement: str, piece: Window) -> None:
        """A stream broke off: from now on pieces are shorter, so that a break costs less."""
        self._remember(measurement, max(_part(piece, _PARTS_AFTER_A_BREAK), self.options.shortest_query))

    def _remember(self, measurement: str, size: timedelta) -> None:
        with self._lock:
            self._sizes[measurement] = min(self._sizes.get(measurement, size), size)


def _part(piece: Window, parts: int) -> timedelta:
    part = (piece.end - piece.start) / parts
    return part - part % _MILLISECOND
