"""`Window`, a half-open UTC interval, and `Scheme`, which divides time into windows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_FINER = re.compile(r"[.,][0-9]{6}0*[1-9]")
"""A fraction of a second with nanoseconds, which datetimes have no room for."""


def utc_text(moment: datetime) -> str:
    """`2026-01-02T00:00:00Z`, with the fraction of a second only where there is one."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def from_nanoseconds(nanoseconds: int) -> datetime:
    """The time for nanoseconds since 1970, truncated to microseconds."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def parse_moment(text: str) -> datetime:
    """Parse an ISO 8601 date or time; UTC where it has no zone.

    Raises:
        ValueError: The text is not an ISO 8601 date or time, or it is finer than a microsecond, which would be cut.
    """
    if _FINER.search(text):
        raise ValueError(f"{text!r} is finer than a microsecond")
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
        """Parse what `str()` wrote.

        Raises:
            ValueError: The text is not `start/end`.
        """
        start, separator, end = text.partition("/")
        if not separator:
            raise ValueError(f"not a window: {text!r} (expected start/end)")
        return cls(parse_moment(start), parse_moment(end))

    def until(self, moment: datetime) -> Window | None:
        """The part of the window before a time; None where there is none."""
        return Window(self.start, min(self.end, moment)) if moment > self.start else None

    def overlaps(self, other: Window) -> bool:
        """Whether it has time in common with another window; adjacent windows do not."""
        return self.start < other.end and other.start < self.end

    def overlaps_any(self, others: Iterable[Window]) -> bool:
        """Whether it overlaps one of several windows."""
        return any(map(self.overlaps, others))

    def contains(self, other: Window) -> bool:
        """Whether it contains another window."""
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
    """The union of windows, as few windows as possible, oldest first."""
    found: list[Window] = []
    for window in sorted(windows):
        if found and window.start <= found[-1].end:
            found[-1] = Window(found[-1].start, max(found[-1].end, window.end))
        else:
            found.append(window)
    return tuple(found)


class Every(StrEnum):
    """The length of a partition."""

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
"""The greatest length of a partition, other than by daylight saving time."""


def window_of(every: Every, timezone: str, moment: datetime) -> Window:
    """The hour, or the day, week or month in a time zone, that contains a time."""
    # In UTC, where no two times are equal on the clock when clocks go back.
    return _window_of(every, timezone, moment.astimezone(UTC))


@lru_cache(maxsize=4096)
def _window_of(every: Every, timezone: str, moment: datetime) -> Window:
    # Thousands of measurements are asked about the same few windows.
    start = _floor(every, timezone, moment)
    return Window(start, _next(every, timezone, start))


@dataclass(frozen=True, slots=True)
class Scheme:
    """How time is divided into windows.

    Attributes:
        every: The length of a window. Weeks start on Monday.
        start: The start of the first window.
        timezone: The time zone (an IANA name) of days, weeks and months. Hours are in UTC.
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
        """The window that contains a time, also before the scheme's start."""
        return window_of(self.every, self.timezone, moment)

    def windows(self, begin: datetime, end: datetime) -> Iterator[Window]:
        """The windows that overlap [begin, end), oldest first."""
        begin = max(begin, self.start)
        window = self.window_at(begin)
        while max(window.start, begin) < end:
            yield window
            window = Window(window.end, _next(self.every, self.timezone, window.end))

    def windows_back(self, begin: datetime, end: datetime) -> Iterator[Window]:
        """The windows that overlap [begin, end), newest first."""
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
