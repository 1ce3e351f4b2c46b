"""The statistics of a server about a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from influx_lake.errors import PermanentSourceError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Part:
    """A shard, or a file.

    Attributes:
        start: The first time that it may hold.
        end: The end of its time range; or its last time, if that is known.
        bytes: Its size.
        rows: How many rows it has; None if unknown.
    """

    start: datetime
    end: datetime
    bytes: int
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Queries:
    """How many queries a server received.

    Attributes:
        count: How many.
        since: When counting began; None if unknown.
        of: Which queries these are.
    """

    count: int
    since: datetime | None
    of: str


@dataclass(frozen=True, slots=True)
class MeasurementUsage:
    """The statistics of a measurement; None means unknown.

    Attributes:
        bytes: Its size.
        rows: How many rows it has.
        series: How many series it has.
        parts: Its shards or files.
    """

    bytes: int | None = None
    rows: int | None = None
    series: int | None = None
    parts: tuple[Part, ...] | None = None


@dataclass(frozen=True, slots=True)
class SourceUsage:
    """The statistics of a database, or a bucket; None means unknown.

    Attributes:
        bytes: Its size.
        series: How many series it has.
        queries: How many queries it received.
        parts: Its shards; None if they are unknown, or known by measurement.
        measurements: The statistics of the requested measurements, by name.
        not_told: Why figures are missing, by description.
        others: The names of its other measurements.
    """

    bytes: int | None = None
    series: int | None = None
    queries: Queries | None = None
    parts: tuple[Part, ...] | None = None
    measurements: Mapping[str, MeasurementUsage] = field(default_factory=dict)
    not_told: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def told(not_told: dict[str, str], what: str, ask: Callable[[], _T]) -> _T | None:
    """A figure; None if the server does not provide it, or not to these credentials.

    Args:
        not_told: Takes the reason.
        what: The description of the figure.
        ask: Asks for it.
    """
    try:
        return ask()
    except PermanentSourceError as error:
        not_told[what] = error.message
        return None
