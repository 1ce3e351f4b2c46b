"""What a server tells of what its data take up."""

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
        end: The end of its time; or its last time, where that is told.
        bytes: How large it is.
        rows: How many rows it has; None where that is not told.
    """

    start: datetime
    end: datetime
    bytes: int
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Queries:
    """How many queries a server got.

    Attributes:
        count: How many.
        since: From when on they are counted; None where that is not told.
        of: Whose they are.
    """

    count: int
    since: datetime | None
    of: str


@dataclass(frozen=True, slots=True)
class MeasurementUsage:
    """What is told of a measurement; None where nothing is.

    Attributes:
        bytes: How large it is.
        rows: How many rows it has.
        series: How many series.
        parts: What it is kept in; None where that is not told.
    """

    bytes: int | None = None
    rows: int | None = None
    series: int | None = None
    parts: tuple[Part, ...] | None = None


@dataclass(frozen=True, slots=True)
class SourceUsage:
    """What is told of a database, or a bucket; None where nothing is.

    Attributes:
        bytes: How large it is.
        series: How many series it has.
        queries: How many queries came.
        parts: What it is kept in; None where that is not told, or told by measurement.
        measurements: The same of those that were asked for, by their names.
        not_told: Why figures are missing, by their names in words.
        others: The names of the measurements that it has besides.
    """

    bytes: int | None = None
    series: int | None = None
    queries: Queries | None = None
    parts: tuple[Part, ...] | None = None
    measurements: Mapping[str, MeasurementUsage] = field(default_factory=dict)
    not_told: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def told(not_told: dict[str, str], what: str, ask: Callable[[], _T]) -> _T | None:
    """A figure; None, and why, where the server does not give it to these credentials, or does not know it.

    Args:
        not_told: Takes the reason.
        what: The figure, in words.
        ask: Asks for it.
    """
    try:
        return ask()
    except PermanentSourceError as error:
        not_told[what] = error.message
        return None
