"""The oldest points of measurements whose partitions begin there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from influx_lake.config import Lake
from influx_lake.errors import MeasurementNotFound
from influx_lake.sources.protocol import Source


def with_first_points(
    lake: Lake, found: Mapping[str, Iterable[str]], source: Callable[[str], Source], *, again: bool = False
) -> Lake:
    """The lake, with the first points of those measurements that are loaded from there on.

    Args:
        lake: The lake.
        found: The measurements that sources have now.
        source: Gives the source of a name.
        again: Whether to ask for those that are known, too: points may have come that are older.

    Raises:
        SourceError: A source cannot tell.
    """
    news: dict[tuple[str, str], datetime] = {}
    for origin, names in found.items():
        for name, origins in lake.of_first_points(origin, names).items():
            known = lake.first_points.get((origin, name))
            if known is None or again:
                times = [known, *(_first_time(source(each), name) for each in origins)]
                if first := min((time for time in times if time is not None), default=None):
                    news[origin, name] = first
    return replace(lake, first_points={**lake.first_points, **news}) if news else lake


def _first_time(source: Source, measurement: str) -> datetime | None:
    try:
        return source.first_time(measurement)
    except MeasurementNotFound:
        return None
