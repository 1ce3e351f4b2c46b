"""Time buckets of roll-ups, also across changes of daylight saving time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from influx_lake.config.values.units import DURATION_PATTERN, format_duration, parse_duration
from influx_lake.config.values.windows import EPOCH, MICROSECOND, Every, Window, window_of

_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
_ORDER = (Every.HOUR, Every.DAY, Every.WEEK, Every.MONTH)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The length of a bucket.

    Attributes:
        length: A part of a day, or a calendar day, week or month.
    """

    length: timedelta | Every

    def __str__(self) -> str:
        return format_duration(self.length) if isinstance(self.length, timedelta) else str(self.length)

    def divides(self, every: Every) -> bool:
        """Whether a partition consists of whole buckets."""
        if isinstance(self.length, timedelta):
            return every is not Every.HOUR or not _HOUR % self.length
        if self.length is Every.WEEK:
            return every is Every.WEEK
        return _ORDER.index(self.length) <= _ORDER.index(every)


@dataclass(frozen=True, slots=True)
class BucketRun:
    """Consecutive buckets of equal length, up to the start of the next run.

    Attributes:
        start_us: The start of the first, in microseconds since 1970.
        step_us: The length of each, in microseconds.
    """

    start_us: int
    step_us: int

    def continues(self, other: BucketRun) -> bool:
        """Whether it continues another run."""
        return self.step_us == other.step_us and not (self.start_us - other.start_us) % self.step_us


def bucket_runs(bucket: Bucket, window: Window, timezone: str) -> tuple[BucketRun, ...]:
    """The buckets of a window, in as few runs as possible.

    Buckets of up to an hour are counted from midnight in elapsed time, so an hour that occurs twice is two buckets.
    Longer parts of a day start at the same wall clock times each day: on a day of 23 or 25 hours one of them is shorter
    or longer.

    Args:
        bucket: The length of the buckets.
        window: A window of whole buckets.
        timezone: The time zone of days.
    """
    runs: list[BucketRun] = []
    for run in _runs(bucket.length, window, timezone):
        if not runs or not run.continues(runs[-1]):
            runs.append(run)
    return tuple(runs)


def _runs(length: timedelta | Every, window: Window, timezone: str) -> Iterator[BucketRun]:
    if isinstance(length, Every):
        for part in _parts(length, window, timezone):
            yield BucketRun(part.start_us, part.end_us - part.start_us)
    elif length <= _HOUR:
        for day in _parts(Every.DAY, window, timezone):
            yield BucketRun(max(day, window).start_us, length // MICROSECOND)
    else:
        for day in _parts(Every.DAY, window, timezone):
            edges = _clock_times(length, day, timezone)
            for start, end in zip(edges, [*edges[1:], day.end], strict=True):
                yield BucketRun((start - EPOCH) // MICROSECOND, (end - start) // MICROSECOND)


def _parts(every: Every, window: Window, timezone: str) -> Iterator[Window]:
    """The days, weeks or months of a window; the one around it where it is shorter."""
    start = window.start
    while start < window.end:
        part = window_of(every, timezone, start)
        yield part
        start = part.end


def _clock_times(length: timedelta, day: Window, timezone: str) -> list[datetime]:
    """The times of a day at which the clock shows multiples of a length; the first where it shows one twice."""
    zone = ZoneInfo(timezone)
    midnight = datetime.combine(day.start.astimezone(zone).date(), datetime.min.time())
    times = [(midnight + number * length).replace(tzinfo=zone).astimezone(UTC) for number in range(_DAY // length)]
    return sorted({max(moment, day.start) for moment in times if moment < day.end})


def parse_bucket(value: object) -> Bucket:
    """Parse `15m`, `1h`, `1d`, `1w`, or one of the words hour, day, week and month.

    Raises:
        ValueError: The value is no such length.
    """
    if isinstance(value, Bucket):
        return value
    if isinstance(value, str) and value in tuple(Every):
        every = Every(value)
        return Bucket(_HOUR if every is Every.HOUR else every)
    try:
        length = parse_duration(value)
    except ValueError:
        length = timedelta(0)
    if length in (_DAY, _WEEK):
        return Bucket(Every.DAY if length == _DAY else Every.WEEK)
    if length < timedelta(seconds=1) or _DAY % length:
        raise ValueError(
            "is not the length of a bucket: write a part of a day without remainder, such as 1m, 15m, 1h or 6h, or "
            "1d, 1w or month"
        )
    return Bucket(length)


def _read_bucket(value: Any) -> Any:
    return parse_bucket(value)


BucketLength: TypeAlias = Annotated[
    Bucket,
    BeforeValidator(_read_bucket),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"enum": [str(every) for every in _ORDER]}, {"type": "string", "pattern": DURATION_PATTERN}],
            "examples": ["15m", "1h", "1d", "1w", "month"],
        }
    ),
]
"""The length of a bucket, with a unit or as a word."""
