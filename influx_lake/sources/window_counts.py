"""Counts the rows of many windows of a measurement, in one query if the source can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from influx_lake.config.values.windows import Window
from influx_lake.sources.protocol import Source


@runtime_checkable
class CountsWindows(Protocol):
    """A source that counts many windows in one query, or in one pass."""

    def counts(self, measurement: str, windows: Sequence[Window]) -> list[int]:
        """How many rows each window has; windows are sorted and do not overlap."""
        ...


def counts_of(source: Source, measurement: str, windows: Sequence[Window]) -> list[int]:
    """How many rows a source holds in each window; windows are sorted and do not overlap.

    Raises:
        SourceError: The source cannot tell.
    """
    if not windows:
        return []
    if isinstance(source, CountsWindows):
        return source.counts(measurement, windows)
    return [source.count(measurement, window) for window in windows]
