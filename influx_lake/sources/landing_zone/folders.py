"""The folders of a landing zone, by the time of what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from string import Formatter

from influx_lake.config.windows import Window
from influx_lake.sources.files import FilePlace, StoredFile

_FORMATS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H"}
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
        """The files in the folders of a time. No other folder is listed."""
        found = (
            landed
            for moment in self._moments(window)
            for folder, measurement in self._expanded(moment)
            for landed in self._files(folder, measurement)
        )
        return sorted(found, key=lambda landed: landed.file.path)

    def all(self) -> list[LandedFile]:
        """The files in all folders."""
        pattern = re.compile(self._regex() + r"/[^/]+")
        files = ((file, pattern.fullmatch(file.path)) for file in self.place.files_below(self.place.path))
        found = (LandedFile(file, match.groupdict().get("measurement")) for file, match in files if match)
        return sorted(found, key=lambda landed: landed.file.path)

    def _moments(self, window: Window) -> Iterator[datetime]:
        finest = [name for name in self._names if name in _FORMATS][-1]
        moment = _floor(window.start, finest)
        while moment < window.end:
            yield moment
            moment = _next(moment, finest)

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
