"""Whether the lake has what its source has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.windows import Window
from influx_lake.errors import ConfigurationError
from influx_lake.replication.compare import Comparison, Verdict, compare_windows
from influx_lake.sources.protocol import Source

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

WINDOWS_AT_ONCE = 500
"""How many windows one query asks for: more make a statement that is long, and an answer that is waited for."""


@dataclass(frozen=True, slots=True)
class Verification:
    """A measurement on both sides.

    Attributes:
        measurement: The measurement.
        comparisons: Its windows, oldest first.
    """

    measurement: Measurement
    comparisons: tuple[Comparison, ...]

    @property
    def differing(self) -> list[Comparison]:
        """The windows in which the lake is not as it should be."""
        return [each for each in self.comparisons if each.verdict is not Verdict.EQUAL]

    @property
    def source_rows(self) -> int:
        """How many rows the source has for all windows."""
        return sum(each.source_rows for each in self.comparisons)

    @property
    def lake_rows(self) -> int:
        """How many rows the lake has for them."""
        return sum(each.lake_rows for each in self.comparisons)


def verify(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    windows: Sequence[Window],
    *,
    profile: bool = False,
    archive: Source | None = None,
) -> Verification:
    """Compare windows of a measurement.

    Args:
        source: The measurement's source.
        catalog: The catalog of its table.
        measurement: The measurement.
        windows: The windows, oldest first, apart.
        profile: Compare their values too.
        archive: What the source's server has persisted, which tells what was written last.

    Raises:
        LakeError: One of the sides cannot tell.
    """
    parts = (windows[begin : begin + WINDOWS_AT_ONCE] for begin in range(0, len(windows), WINDOWS_AT_ONCE))
    found = [
        each
        for part in parts
        for each in compare_windows(
            source, catalog, measurement, part, profiled=lambda window: profile, archive=archive
        )
    ]
    return Verification(measurement, tuple(found))


def closed_windows(
    measurement: Measurement, now: datetime, start: datetime | None, end: datetime | None
) -> list[Window]:
    """The windows of a range that are due, loaded or not: those that ended at least the measurement's lag ago.

    Raises:
        ConfigurationError: The range is empty.
    """
    if start is not None and end is not None and start >= end:
        raise ConfigurationError(f"the range is empty: it starts at {start} and ends at {end}")
    begin, until = start or measurement.scheme.start, now - measurement.lag
    return list(_closed(measurement, begin, min(end or until, until), until))


def _closed(measurement: Measurement, begin: datetime, end: datetime, until: datetime) -> Iterator[Window]:
    return (window for window in measurement.scheme.windows(begin, end) if window.end <= until)
