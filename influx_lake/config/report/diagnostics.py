"""Collects mistakes and warnings of a lake.yaml, with the line of each."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from influx_lake.errors import ConfigurationError

Location: TypeAlias = tuple[str | int, ...]
"""A path into the file: `("measurements", "cpu", "owners", 0)`."""

_SHOWN = 80
_LONGEST_WORD = 100
_PLAIN_KEY = re.compile(r"[!#-&(-9;-~\u00a1-\u00ac\u00ae-\u058f]{1,80}")


@dataclass(frozen=True, slots=True)
class Place:
    """A file and line."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{shown_path(self.file)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake or warning: `lake.yaml:12: measurements.cpu.lag: ...`."""

    place: Place
    location: Location
    message: str

    def __str__(self) -> str:
        where = f"{path_text(self.location)}: " if self.location else ""
        return f"{self.place}: {where}{self.message}"


class ConfigurationProblems(ConfigurationError):
    """All mistakes of a lake.yaml, by line.

    Attributes:
        problems: The mistakes.
    """

    has_lines = True

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        if len(lines) > 1:
            lines.insert(0, f"{len(lines)} mistakes in {shown_path(path)}:")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[ConfigurationProblems], tuple[Path, tuple[Problem, ...]]]:
        return type(self), (self.problems[0].place.file if self.problems else Path(), self.problems)


class OptionMistake(Exception):
    """A contradiction between options that are valid by themselves.

    Attributes:
        message: The contradiction.
        options: The paths of the options in their entry.
    """

    def __init__(self, message: str, *options: Location) -> None:
        super().__init__(message)
        self.message = message
        self.options = options


@dataclass(slots=True)
class Report:
    """Collects mistakes while a lake.yaml is loaded, and knows the line of each entry.

    Attributes:
        path: The main file.
        places: The file and line of each entry.
        written: The text as written where a value has references, to be shown in place of the value.
    """

    path: Path
    places: dict[Location, Place] = field(default_factory=dict)
    written: dict[Location, str] = field(default_factory=dict)
    problems: dict[Problem, None] = field(default_factory=dict)
    warnings: dict[Problem, None] = field(default_factory=dict)
    _lost: set[Location] = field(default_factory=set)
    _around_lost: set[Location] = field(default_factory=set)

    def place(self, location: Location) -> Place:
        """The file and line of an entry; of its nearest existing parent where it does not exist."""
        while location and location not in self.places:
            location = location[:-1]
        return self.places.get(location) or Place(self.path, 1)

    def depth(self, location: Location) -> int:
        """How many parts of a path exist."""
        while location and location not in self.places:
            location = location[:-1]
        return len(location)

    def mistake(self, location: Location, message: str, place: Place | None = None) -> None:
        """Add a mistake, once."""
        self.problems[Problem(place or self.place(location), location, message)] = None

    def lost(self, location: Location) -> None:
        """Note that a value was left out because of a mistake, so that it is not reported as missing."""
        self._lost.add(location)
        self._around_lost.update(location[:length] for length in range(len(location) + 1))

    def warn(self, location: Location, message: str) -> None:
        """Add a warning."""
        self.warnings[Problem(self.place(location), location, message)] = None

    def is_lost(self, location: Location) -> bool:
        """Whether a value was left out because of a mistake."""
        return location in self._lost

    def has_lost_below(self, location: Location) -> bool:
        """Whether a value within an entry was left out because of a mistake."""
        return location in self._around_lost

    def refuse(self) -> None:
        """Raise the mistakes, if there are any.

        Raises:
            ConfigurationProblems: There are mistakes.
        """
        if self.problems:
            raise ConfigurationProblems(self.path, sorted(self.problems, key=self._reading_order))

    def _reading_order(self, problem: Problem) -> tuple[bool, Path, int]:
        place = problem.place
        return place.file != self.path, place.file, place.line


def path_text(location: Location) -> str:
    """Format a path: `measurements.cpu.owners[0]`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if _PLAIN_KEY.fullmatch(part) else "'" + _printable(part).replace("'", "''") + "'"
            text += f".{shown}" if text else shown
    return text


def _printable(name: str) -> str:
    """A name, shortened and with invisible characters escaped."""
    seen = "".join(each if each.isprintable() else repr(each)[1:-1] for each in name[:_SHOWN])
    return seen if len(name) <= _SHOWN else f"{seen}..."


def shown_path(path: Path) -> str:
    """A file's path, relative to the current folder where it is below."""
    try:
        below = path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return os.fspath(path)
    return os.fspath(below)


def suggestion(word: str, known: Iterable[str], least: float = 0.6) -> str:
    """` (did you mean day?)`, or nothing where no known word has a similarity of at least `least` (1.0: equal)."""
    if len(word) > _LONGEST_WORD:
        return ""
    by_folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=least)
    return f" (did you mean {by_folded[close[0]]}?)" if close else ""
