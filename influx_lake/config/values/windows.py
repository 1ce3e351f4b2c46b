"""Windows of time, and the schemes that cut time into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def utc_text(moment: datetime) -> str:
    """`2026-01-02T00:00:00Z`, with the fraction of a second only where there is one."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def from_nanoseconds(nanoseconds: int) -> datetime:
    """The time of so many nanoseconds since 1970, cut to the microsecond before it."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def parse_moment(text: str) -> datetime:
    """Read an ISO 8601 date or time; without a zone it is UTC.

    Raises:
        ValueError: The text is not an ISO 8601 date or time.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open interval [start, end) of time, in UTC, to the microsecond."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window needs times with a zone")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.start >= self.end:
            raise ValueError(f"a window ends after it starts: {self}")

    def __str__(self) -> str:
        return f"{utc_text(self.start)}/{utc_text(self.end)}"

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read what `str()` wrote.

        Raises:
            ValueError: The text is not `start/end`.
        """
        start, separator, end = text.partition("/")
        if not separator:
            raise ValueError(f"not a window: {text!r} (expected start/end)")
        return cls(parse_moment(start), parse_moment(end))

    def until(self, moment: datetime) -> Window | None:
        """The part of the window before a moment; None when there is none."""
        return Window(self.start, min(self.end, moment)) if moment > self.start else None

    def overlaps(self, other: Window) -> bool:
        """Whether it shares time with another window: those that only touch do not."""
        return self.start < other.end and other.start < self.end

    def overlaps_any(self, others: Iterable[Window]) -> bool:
        """Whether it shares time with one of other windows."""
        return any(map(self.overlaps, others))

    def contains(self, other: Window) -> bool:
        """Whether all of another window is in it."""
        return self.start <= other.start and other.end <= self.end

    @property
    def last_microsecond(self) -> datetime:
        """The last microsecond of it."""
        return self.end - MICROSECOND

    @property
    def start_us(self) -> int:
        """The start in microseconds since 1970, the unit of Iceberg's timestamps."""
        return (self.start - EPOCH) // MICROSECOND

    @property
    def end_us(self) -> int:
        """The end in microseconds since 1970."""
        return (self.end - EPOCH) // MICROSECOND


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The time of some windows, oldest first, as few windows as it takes."""
    found: list[Window] = []
    for window in sorted(windows):
        if found and window.start <= found[-1].end:
            found[-1] = Window(found[-1].start, max(found[-1].end, window.end))
        else:
            found.append(window)
    return tuple(found)


class Every(StrEnum):
    """How long a partition is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


LONGEST = {
    Every.HOUR: timedelta(hours=1),
    Every.DAY: timedelta(days=1),
    Every.WEEK: timedelta(weeks=1),
    Every.MONTH: timedelta(days=31),
}
"""How long a partition is at most, but for a change of clocks."""


def window_of(every: Every, timezone: str, moment: datetime) -> Window:
    """The hour, or the day, week or month of a time zone, that holds a moment."""
    start = _floor(every, timezone, moment)
    return Window(start, _next(every, timezone, start))


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the time of a measurement is cut into windows.

    Attributes:
        every: The length of a window. Weeks start on Monday.
        start: Where the first window starts.
        timezone: Whose midnights bound days, weeks and months (an IANA name). Hours are UTC's.
    """

    every: Every
    start: datetime
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if self.every is Every.HOUR and self.timezone != "UTC":
            raise ValueError("hours are cut in UTC: a time zone applies to day, week and month")
        start = self.start.astimezone(UTC)
        if _floor(self.every, self.timezone, start) != start:
            raise ValueError(f"{utc_text(start)} is not where a {self.every} starts in {self.timezone}")
        object.__setattr__(self, "start", start)

    def window_at(self, moment: datetime) -> Window:
        """The window that holds a moment, also one before the scheme's start."""
        return window_of(self.every, self.timezone, moment)

    def windows(self, begin: datetime, end: datetime) -> Iterator[Window]:
        """The scheme's windows that share time with [begin, end), oldest first."""
        begin = max(begin, self.start)
        window = self.window_at(begin)
        while max(window.start, begin) < end:
            yield window
            window = Window(window.end, _next(self.every, self.timezone, window.end))

    def windows_back(self, begin: datetime, end: datetime) -> Iterator[Window]:
        """The scheme's windows that share time with [begin, end), newest first."""
        begin = max(begin, self.start)
        while begin < end:
            window = self.window_at(end - MICROSECOND)
            yield window
            end = window.start

    def closed_windows(self, now: datetime, lag: timedelta) -> Iterator[Window]:
        """The windows from the scheme's start that ended at least `lag` before `now`."""
        return (window for window in self.windows(self.start, now - lag) if window.end <= now - lag)

    def key(self, window: Window) -> str:
        """The window's Dagster partition key."""
        local = window.start.astimezone(ZoneInfo(self.timezone))
        return local.strftime("%Y-%m-%d-%H:%M" if self.every is Every.HOUR else "%Y-%m-%d")


def _floor(every: Every, timezone: str, moment: datetime) -> datetime:
    if every is Every.HOUR:
        return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = moment.astimezone(ZoneInfo(timezone)).date()
    if every is Every.WEEK:
        day -= timedelta(days=day.weekday())
    elif every is Every.MONTH:
        day = day.replace(day=1)
    return _midnight(day, timezone)


def _next(every: Every, timezone: str, start: datetime) -> datetime:
    if every is Every.HOUR:
        return start + timedelta(hours=1)
    day = start.astimezone(ZoneInfo(timezone)).date()
    if every is Every.MONTH:
        return _midnight((day.replace(day=1) + timedelta(days=32)).replace(day=1), timezone)
    return _midnight(day + timedelta(days=7 if every is Every.WEEK else 1), timezone)


def _midnight(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(timezone)).astimezone(UTC)
