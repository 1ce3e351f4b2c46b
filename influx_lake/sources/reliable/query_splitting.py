"""Splits a window into queries that the server can handle."""

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
    """The length of queries that a server was able to handle, by measurement.

    Threads may share it.
    """

    options: ReadingOptions
    _sizes: dict[str, timedelta] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def pieces(self, measurement: str, window: Window) -> deque[Window]:
        """Split a window into pieces of a size that works, oldest first; it stays whole unless a limit is known."""
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
        """Whether a piece can be halved without going below the shortest length allowed."""
        return _part(piece, 2) >= self.options.shortest_query

    def halves(self, measurement: str, piece: Window) -> tuple[Window, Window] | None:
        """Split a piece that was too large, and remember the new size; None if it is already as short as allowed."""
        half = _part(piece, 2)
        if half < self.options.shortest_query:
            return None
        self._remember(measurement, half)
        log.warning(
            "%s: a query for %s is too large for the server: reading pieces of %s (longest_query: %s starts with them)",
            measurement,
            format_duration(_part(piece, 1)),
            *[format_duration(half)] * 2,
        )
        middle = piece.start + half
        return Window(piece.start, middle), Window(middle, piece.end)

    def broke(self, measurement: str, piece: Window) -> None:
        """A stream was interrupted: use shorter pieces from now on, so that interruptions cost less."""
        self._remember(measurement, max(_part(piece, _PARTS_AFTER_A_BREAK), self.options.shortest_query))

    def _remember(self, measurement: str, size: timedelta) -> None:
        with self._lock:
            self._sizes[measurement] = min(self._sizes.get(measurement, size), size)


def _part(piece: Window, parts: int) -> timedelta:
    part = (piece.end - piece.start) / parts
    return part - part % _MILLISECOND
