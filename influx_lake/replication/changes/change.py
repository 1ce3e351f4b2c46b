"""Time of a measurement that got points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from influx_lake.config.values.windows import Window, from_nanoseconds

BUCKET = 3_600_000_000_000
"""An hour in nanoseconds. No window is shorter, so that changes of one hour are one change."""
_MOST_POINTS = 2**63 - 1
MOST_RANGES = 1_000
"""Of a table. Where there are more, those with the least time between them are joined: windows are loaded without
need, and none is forgotten.
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says of a measurement: it got points in a stretch of time.

    Attributes:
        measurement: Its name in InfluxDB.
        first: The time of the first of them, in nanoseconds since 1970.
        last: The time of the last.
        points: How many there are, at least.
    """

    measurement: str
    first: int
    last: int
    points: int = 0

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"first ({self.first}) is after last ({self.last})")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """Time of a measurement of the lake that got points, and was not loaded since.

    Attributes:
        table: The measurement, by its `full_name`.
        first: The time of the first point, in nanoseconds since 1970.
        last: The time of the last one.
        noted: When it was known here, and the source had its points for sure: a load that begins later has them. In
            nanoseconds since 1970, by this machine's clock.
        points: How many points there are, at least.
        since: From when on a load is of use: as `noted`, of the oldest of the changes that this one is made of.
    """

    table: str
    first: int
    last: int
    noted: int
    points: int = 0
    since: int = 0

    @property
    def window(self) -> Window:
        """The time, to the microsecond."""
        return Window(from_nanoseconds(self.first), from_nanoseconds(self.last + 1_000))

    def within(self, first: int, last: int) -> Change | None:
        """The part from `first` to `last`, both included; None where there is none."""
        begin, end = max(first, self.first), min(last, self.last)
        return replace(self, first=begin, last=end) if begin <= end else None

    def without(self, first: int, last: int) -> list[Change]:
        """What is left of it outside of `first` to `last`, both included."""
        before, after = self.within(self.first, first - 1), self.within(last + 1, self.last)
        return [part for part in (before, after) if part is not None]


def merged_changes(changes: Iterable[Change]) -> list[Change]:
    """Changes of one table, oldest first: those of the same hour as one, and not more than `MOST_RANGES`."""
    joined: list[Change] = []
    for change in sorted(changes):
        if joined and change.first // BUCKET <= joined[-1].last // BUCKET:
            joined[-1] = _joined(joined[-1], change)
        else:
            joined.append(change)
    over = len(joined) - MOST_RANGES
    if over <= 0:
        return joined
    gaps = sorted(range(1, len(joined)), key=lambda at: joined[at].first - joined[at - 1].last)
    to_previous = set(gaps[:over])
    fewer: list[Change] = []
    for at, change in enumerate(joined):
        if at in to_previous:
            fewer[-1] = _joined(fewer[-1], change)
        else:
            fewer.append(change)
    return fewer


def _joined(one: Change, other: Change) -> Change:
    return Change(
        one.table,
        min(one.first, other.first),
        max(one.last, other.last),
        max(one.noted, other.noted),
        min(one.points + other.points, _MOST_POINTS),
        min(one.since, other.since),
    )
