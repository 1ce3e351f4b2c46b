"""The folders of a landing zone, by the time of what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from string import Formatter

from influx_lake.config.windows import Window
from influx_lake.sources.files import FilePlace, StoredFile

_FORMATS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H"}
_LONGEST = {
    name: timedelta(days=days) for name, days in (("year", 36_500), ("month", 3_000), ("day", 100), ("hour", 8))
}
"""How long a time may be for its folders to be listed one by one."""
_PATTERNS = {"year": r"\d{4}", "month": r"\d{1,2}", "day": r"\d{1,2}", "hour": r"\d{1,2}", "measurement": r"[^/]+"}


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file, and what its folder says of it.

    Attributes:
        file: The file.
        measurement: The measurement; None where the folder does not say.
    """

    file: StoredFile
    measurement: str | None


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders by date.

    Attributes:
        template: Their path.
        place: The file system they are on, at the part of the path that all have in common.
    """

    template: str
    place: FilePlace

    @property
    def _names(self) -> list[str]:
        return [name for _, name, _, _ in Formatter().parse(self.template) if name in _PATTERNS]

    def within(self, window: Window) -> list[LandedFile]:
        """The files in the folders of a time. No other folder is listed, unless that takes fewer requests."""
        if window.end - window.start > _LONGEST[self._finest]:
            return [landed for landed, moment in self._dated() if self._overlaps(moment, window)]
        found = (
            landed
            for moment in self._moments(window)
            for folder, measurement in self._expanded(moment)
            for landed in self._files(folder, measurement)
        )
        return sorted(found, key=lambda landed: landed.file.path)

    def all(self) -> list[LandedFile]:
        """The files in all folders."""
        return [landed for landed, _ in self._dated()]

    def _dated(self) -> list[tuple[LandedFile, datetime]]:
        """The files in all folders, with the time where their folder's begins."""
        pattern = re.compile(self._regex() + r"/[^/]+")
        matches = ((file, pattern.fullmatch(file.path)) for file in self.place.files_below(self.place.path))
        found = [(LandedFile(file, parts.get("measurement")), _moment(parts)) for file, parts in _parts(matches)]
        return sorted(found, key=lambda landed: landed[0].file.path)

    def _overlaps(self, moment: datetime, window: Window) -> bool:
        return moment < window.end and _next(moment, self._finest) > window.start

    @property
    def _finest(self) -> str:
        return [name for name in self._names if name in _FORMATS][-1]

    def _moments(self, window: Window) -> Iterator[datetime]:
        moment = _floor(window.start, self._finest)
        while moment < window.end:
            yield moment
            moment = _next(moment, self._finest)

    def _expanded(self, moment: datetime) -> Iterator[tuple[str, str | None]]:
        """The folders of a moment: one, or one for each measurement."""
        dated = self._path_template.format(
            measurement="{measurement}", **{name: moment.strftime(text) for name, text in _FORMATS.items()}
        )
        if "{measurement}" not in dated:
            yield dated, None
            return
        before, segment, after = _around_measurement(dated)
        matching = re.compile(re.escape(segment).replace(r"\{measurement\}", r"(?P<measurement>[^/]+)"))
        for folder in self.place.folders_in(before):
            if match := matching.fullmatch(folder.rpartition("/")[2]):
                yield folder + after, match["measurement"]

    def _files(self, folder: str, measurement: str | None) -> Iterator[LandedFile]:
        return (LandedFile(file, measurement) for file in self.place.files_in(folder))

    @property
    def _path_template(self) -> str:
        """The template as the file system's paths are written."""
        return self.place.path + self.template[len(self.place.text) :].rstrip("/")

    def _regex(self) -> str:
        parts, seen = [], set[str]()
        for text, name, _, _ in Formatter().parse(self._path_template):
            parts.append(re.escape(text))
            if name:
                parts.append(_PATTERNS[name] if name in seen else f"(?P<{name}>{_PATTERNS[name]})")
                seen.add(name)
        return "".join(parts)


def _parts(
    matches: Iterable[tuple[StoredFile, re.Match[str] | None]],
) -> Iterator[tuple[StoredFile, dict[str, str]]]:
    return ((file, match.groupdict()) for file, match in matches if match)


def _moment(parts: Mapping[str, str]) -> datetime:
    year, month, day, hour = (int(parts.get(name) or least) for name, least in zip(_FORMATS, (1, 1, 1, 0), strict=True))
    return datetime(year, month, day, hour, tzinfo=UTC)


def fixed_part(template: str) -> str:
    """The part of a template that all folders have in common."""
    return template.partition("{")[0].rpartition("/")[0]


def _around_measurement(path: str) -> tuple[str, str, str]:
    segments = path.split("/")
    at = next(number for number, segment in enumerate(segments) if "{measurement}" in segment)
    after = "/".join(segments[at + 1 :])
    return "/".join(segments[:at]), segments[at], f"/{after}" if after else ""


def _floor(moment: datetime, unit: str) -> datetime:
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if unit != "hour":
        moment = moment.replace(hour=0)
    if unit in ("year", "month"):
        moment = moment.replace(day=1)
    return moment.replace(month=1) if unit == "year" else moment


def _next(moment: datetime, unit: str) -> datetime:
    if unit in ("hour", "day"):
        return moment + timedelta(**{f"{unit}s": 1})
    return _floor(moment + timedelta(days=366 if unit == "year" else 32), unit)
