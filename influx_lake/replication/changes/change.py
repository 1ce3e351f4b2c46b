"""The `Change` of a measurement: an interval of time that got points since it was loaded; merging of changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from influx_lake.config.values.windows import Window, from_nanoseconds

BUCKET = 3_600_000_000_000
"""An hour, in nanoseconds. No window is shorter, so changes of the same hour are merged."""
_MOST_POINTS = 2**63 - 1
MOST_RANGES = 1_000
"""The most changes kept for one table. Beyond it, the ones nearest in time are merged: windows may be loaded without
need, but no change is lost.
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A report by a database: a measurement got points in an interval of time.

    Attributes:
        measurement: Its name in InfluxDB.
        first: The time of the earliest point, in nanoseconds since 1970.
        last: The time of the latest point, in nanoseconds since 1970.
        points: The least number of points.
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
    """A change: time of a measurement of the lake that got points and was not loaded since.

    Attributes:
        table: The measurement, by its `full_name`.
        first: The time of the first point, in nanoseconds since 1970.
        last: The time of the last one.
        noted: When the source certainly had the points, in nanoseconds since 1970 by this machine's clock: a load that
            begins later reads them.
        points: The least number of points.
        since: The earliest `noted` of the changes merged into this one: from then on a load is of use.
    """

    table: str
    first: int
    last: int
    noted: int
    points: int = 0
    since: int = 0

    @property
    def window(self) -> Window:
        """The interval as a window, to the microsecond."""
        return Window(from_nanoseconds(self.first), from_nanoseconds(self.last + 1_000))

    def within(self, first: int, last: int) -> Change | None:
        """The part between `first` and `last`, inclusive; None where there is none."""
        begin, end = max(first, self.first), min(last, self.last)
        return replace(self, first=begin, last=end) if begin <= end else None

    def without(self, first: int, last: int) -> list[Change]:
        """The parts outside of `first` to `last`, inclusive."""
        before, after = self.within(self.first, first - 1), self.within(last + 1, self.last)
        return [part for part in (before, after) if part is not None]


def merged_changes(changes: Iterable[Change]) -> list[Change]:
    """Merge changes of one table: those of the same hour, then down to `MOST_RANGES`; oldest first."""
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
