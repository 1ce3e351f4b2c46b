"""Parses the names of a landing zone's folders: the time of their files, and the measurement."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from string import Formatter
from zoneinfo import ZoneInfo

from influx_lake.config.values.windows import Window

DATES = ("year", "month", "day", "hour")
_DIGITS = {"year": r"\d{4}", "month": r"\d{1,2}", "day": r"\d{1,2}", "hour": r"\d{1,2}"}
_ADJOINING = {**_DIGITS, "month": r"\d{2}", "day": r"\d{2}", "hour": r"\d{2}"}
_LEAST = (1, 1, 1, 0)
_ANY_DATE = (2000,)
_YEARS = range(1678, 2262)
"""The years that InfluxDB covers completely."""
_EXAMPLE = {"year": "2025", "month": "06", "day": "01", "hour": "00", "measurement": "cpu"}


class WrongName(ValueError):
    """A folder's name has an invalid part, such as `month=13`."""


@dataclass(frozen=True, slots=True)
class FolderParts:
    """The parsed names of nested folders.

    Attributes:
        dates: The year, month, day and hour, as far as they are given.
        measurement: The measurement; None if it is not given.
    """

    dates: tuple[int, ...] = ()
    measurement: str | None = None

    def time(self, zone: ZoneInfo) -> Window | None:
        """The time range of these folders; None before the first date.

        An hour that occurs twice, when clocks are set back, covers both.

        Args:
            zone: The time zone of the dates.
        """
        if not self.dates:
            return None
        wall = _clock(self.dates)
        return Window(min(_instants(wall, zone)), max(_instants(_next(wall, len(self.dates)), zone)))


class FolderTemplate:
    """The template of folder names.

    Args:
        path: Their path below the common part, with {measurement}, {year}, {month}, {day}, {hour}.

    Attributes:
        says_measurement: Whether there is a folder for each measurement.
    """

    def __init__(self, path: str) -> None:
        self._names = [_FolderName(each) for each in path.split("/") if each]
        self.says_measurement = "{measurement}" in path

    @property
    def depth(self) -> int:
        """The number of nested folders."""
        return len(self._names)

    @property
    def example(self) -> str:
        """An example of such a path."""
        return "/".join(each.example for each in self._names)

    def read(self, level: int, name: str, parts: FolderParts) -> FolderParts | None:
        """Add the parsed name of one more folder; None if it does not match.

        Args:
            level: The number of folders between it and the common part.
            name: Its name.
            parts: The parsed names of the folders around it.

        Raises:
            WrongName: It matches, but is not a valid time.
        """
        return self._names[level].read(name, parts)


class _FolderName:
    """The template of one folder's name.

    Args:
        text: The name, with placeholders.
    """

    def __init__(self, text: str) -> None:
        pieces = [(literal, name) for literal, name, _, _ in Formatter().parse(text)]
        adjoining = any(name and not literal and number for number, (literal, name) in enumerate(pieces))
        form, shape, seen = [], [], set[str]()
        for literal, name in pieces:
            form.append(re.escape(literal))
            shape.append(re.escape(literal))
            if name is None:
                continue
            digits = (_ADJOINING if adjoining else _DIGITS).get(name, "[^/]+")
            form.append(f"(?P={name})" if name in seen else f"(?P<{name}>{digits})")
            shape.append(".+")
            seen.add(name)
        self._form, self._any = re.compile("".join(form), re.ASCII), re.compile("".join(shape))
        self.example = "".join(literal + _EXAMPLE.get(name or "", "") for literal, name in pieces)

    def read(self, name: str, parts: FolderParts) -> FolderParts | None:
        match = self._form.fullmatch(name)
        if match is None:
            if self._any.fullmatch(name):
                raise WrongName(f"{name!r} is not like {self.example!r}")
            return None
        found = match.groupdict()
        measurement = found.get("measurement")
        if measurement is not None and parts.measurement not in (None, measurement):
            return None
        dates = (*parts.dates, *(int(found[each]) for each in DATES if each in found))
        if not _is_date(dates):
            raise WrongName(f"{name!r} is not a date")
        return replace(parts, dates=dates, measurement=measurement or parts.measurement)


def _is_date(dates: tuple[int, ...]) -> bool:
    if dates and dates[0] not in _YEARS:
        return False
    try:
        _clock(dates or _ANY_DATE)
    except ValueError:
        return False
    return True


def _clock(dates: tuple[int, ...]) -> datetime:
    """The wall clock time at the beginning of a year, month, day or hour."""
    year, month, day, hour = (*dates, *_LEAST[len(dates) :])
    return datetime(year, month, day, hour)  # noqa: DTZ001 - the zone is applied by `_instants`


def _next(wall: datetime, known: int) -> datetime:
    """The beginning of the next year, month, day or hour, by how many of these are known."""
    match known:
        case 1:
            return wall.replace(year=wall.year + 1)
        case 2:
            return (wall + timedelta(days=31)).replace(day=1)
    return wall + (timedelta(days=1) if known == 3 else timedelta(hours=1))


def _instants(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The moments of a wall clock time; two different ones if clocks are set back."""
    return tuple(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))  # type: ignore[return-value]
