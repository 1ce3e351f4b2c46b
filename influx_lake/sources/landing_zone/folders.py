"""Finds the files of a landing zone by the time in their folders' names.

There is one rule: the names of folders tell a file's time, and a window reads the files whose points may lie in it. The
rule applies the same whether all folders are listed or only some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from influx_lake.config.values.windows import Window
from influx_lake.errors import FileUnreadable
from influx_lake.sources.files import FilePlace, StoredFile
from influx_lake.sources.landing_zone.template import FolderParts, FolderTemplate, WrongName

_NOTHING = FolderParts()


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file, and what its folder tells about it.

    Attributes:
        file: The file.
        measurement: The measurement; None if the folder does not name it.
        time: The time range of its folder.
    """

    file: StoredFile
    measurement: str | None
    time: Window


@dataclass(frozen=True, slots=True)
class Listing:
    """The files found in folders.

    Attributes:
        files: The files, sorted by the times of their folders, then by name.
        strays: Other files and folders, whose paths do not match the template.
    """

    files: list[LandedFile]
    strays: list[str]


@dataclass(slots=True)
class Folders:
    """Folders by date.

    Attributes:
        template: The template of their names.
        place: The common part of their paths, and the file system.
        zone: The time zone of the dates in names.
        early: How long before its points a file may land.
        late: How long after its points a file may land.
    """

    template: FolderTemplate
    place: FilePlace
    zone: ZoneInfo
    early: timedelta
    late: timedelta
    _seen: bool = field(default=False, init=False)

    def all(self, measurement: str | None = None) -> Listing:
        """The files in all folders, or in those that may hold a measurement.

        Raises:
            FileUnreadable: A folder's name matches the template but is not a valid time; or no file is in such a
                folder.
        """
        return self._checked(self._walked(None, measurement))

    def within(self, window: Window, measurement: str | None = None) -> Listing:
        """The files whose points may lie in a window: those of `all` whose time is close enough to it.

        Folders of other times or measurements are not listed.

        Raises:
            FileUnreadable: As with `all`.
        """
        return self._checked(self._walked(_widened(window, self.early, self.late), measurement))

    def reach(self, landed: LandedFile) -> Window:
        """The time range allowed for a file's points: windows outside it do not read the file."""
        return _widened(landed.time, self.late, self.early)

    def _checked(self, found: Listing) -> Listing:
        """Make sure that files in unexpected folders are not mistaken for an empty landing zone."""
        if found.files or self._seen:
            self._seen = True
            return found
        everything = self._walked(None, None)
        self._seen = bool(everything.files)
        if everything.strays and not everything.files:
            raise FileUnreadable(
                f"no file below {self.place.text} is in a folder that matches `path`: {everything.strays[0]} is not in "
                f"{self.expected}",
                remedy="Correct `path`",
            )
        if not everything.files and not self.place.exists():
            raise FileUnreadable(f"{self.place.text} does not exist", remedy="Correct `path`")
        return found

    @property
    def expected(self) -> str:
        """An example of a folder, for messages."""
        return f"a folder such as {self.template.example}"

    def _walked(self, landing: Window | None, measurement: str | None) -> Listing:
        """List the folders of a time and measurement, or all."""
        files: list[LandedFile] = []
        strays: list[str] = []
        waiting = [(self.place.path, 0, _NOTHING)]
        while waiting:
            folder, level, parts = waiting.pop()
            of_it = measurement is None or parts.measurement is not None or not self.template.says_measurement
            if level == self.template.depth or (of_it and (landing is None or self._is_inside(parts, landing))):
                for file, landed in self._below(folder, level, parts):
                    if landed is None:
                        strays.append(file.uri)
                    elif landing is None or _overlap(landed.time, landing):
                        files.append(landed)
                continue
            beside, folders = self.place.entries(folder)
            strays += [file.uri for file in beside if not _is_hidden(_name(file.path))]
            for each in folders:
                found = self._read(each, level, parts)
                if found is None:
                    strays += [] if _is_hidden(_name(each)) else [each]
                elif self._may_hold(found, landing, measurement):
                    waiting.append((each, level + 1, found))
        files.sort(key=lambda landed: (landed.time.start, landed.file.path))
        return Listing(files, sorted(strays))

    def _may_hold(self, parts: FolderParts, landing: Window | None, measurement: str | None) -> bool:
        if measurement is not None and parts.measurement not in (None, measurement):
            return False
        time = parts.time(self.zone)
        return landing is None or time is None or _overlap(time, landing)

    def _is_inside(self, parts: FolderParts, landing: Window) -> bool:
        time = parts.time(self.zone)
        return time is not None and landing.contains(time)

    def _below(self, folder: str, level: int, parts: FolderParts) -> Iterator[tuple[StoredFile, LandedFile | None]]:
        """The files below a folder at any depth; with None for those in folders that do not match the template."""
        known: dict[str, tuple[int, FolderParts] | None] = {folder: (level, parts)}
        for file in self.place.files_below(folder):
            names = file.path[len(folder) :].lstrip("/").split("/")
            if any(_is_hidden(name) for name in names[max(0, self.template.depth - level) :]):
                continue
            found = self._parts_of(folder, names[:-1], known)
            time = found[1].time(self.zone) if found is not None and found[0] == self.template.depth else None
            if found is not None and time is not None:
                yield file, LandedFile(file, found[1].measurement, time)
            elif not any(map(_is_hidden, names)):
                yield file, None

    def _parts_of(
        self, base: str, names: list[str], known: dict[str, tuple[int, FolderParts] | None]
    ) -> tuple[int, FolderParts] | None:
        """The level of a folder in the template and the parts of its path; None if it does not match."""
        place, found = base, known[base]
        for name in names:
            place = f"{place.rstrip('/')}/{name}"
            if place not in known:
                known[place] = self._one_more(place, found)
            found = known[place]
        return found

    def _one_more(self, folder: str, found: tuple[int, FolderParts] | None) -> tuple[int, FolderParts] | None:
        if found is None or found[0] == self.template.depth:
            return found
        parts = self._read(folder, *found)
        return None if parts is None else (found[0] + 1, parts)

    def _read(self, folder: str, level: int, parts: FolderParts) -> FolderParts | None:
        try:
            return self.template.read(level, _name(folder), parts)
        except WrongName as error:
            if _is_hidden(_name(folder)):
                return None
            raise FileUnreadable(
                f"the folder {folder} does not tell the time of its files: {error}",
                remedy=f"Folders are expected as {self.place.text.rstrip('/')}/{self.template.example}: correct "
                "`path`, or move the folder to another place",
            ) from None


def fixed_part(template: str) -> str:
    """The common part of the paths of all folders."""
    return template.partition("{")[0].rpartition("/")[0] or "/"


def _widened(window: Window, before: timedelta, after: timedelta) -> Window:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    start = window.start - before if window.start - first > before else first
    return Window(start, window.end + after if last - window.end > after else last)


def _overlap(time: Window, landing: Window) -> bool:
    return time.start < landing.end and time.end > landing.start


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _is_hidden(name: str) -> bool:
    """Whether a name marks something other than data, by the convention of Hive and Spark: `_temporary`, `.staging`,
    `.crc`.
    """
    return name.startswith(("_", ".")) or name.endswith(".crc")
