"""What of a Telegraf configuration is told to the user, with where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from influx_lake.cli.telegraf.document import Plugin


class NotCarriedOver(Exception):
    """Something has no equal among the options. The message says why."""


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """Something that the lake.yaml does not say, or that is to be known of it.

    Attributes:
        file: The file of Telegraf's.
        line: The line there.
        what: What is written there: `processors.regex`, `converter.fields.timestamp`.
        why: Why it is not carried over, or what is to be known.
    """

    file: Path
    line: int
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}: {self.why}"

    def facts(self) -> dict[str, str | int]:
        """The same for programs."""
        return {"file": str(self.file), "line": self.line, "what": self.what, "why": self.why}


@dataclass(slots=True)
class Remarks:
    """What was not carried over, and what is to be known; each once."""

    _left_out: dict[Remark, None] = field(default_factory=dict)
    _notes: dict[Remark, None] = field(default_factory=dict)

    @property
    def left_out(self) -> list[Remark]:
        """What was not carried over."""
        return list(self._left_out)

    @property
    def notes(self) -> list[Remark]:
        """What is to be known of what was."""
        return list(self._notes)

    def leave_out(self, plugin: Plugin, why: str, *place: str | int) -> None:
        """Tell that something of a plugin is not carried over."""
        self._left_out[_remark(plugin, why, place)] = None

    def leave_out_of(self, file: Path, what: str, why: str) -> None:
        """Tell that something of a whole configuration is not carried over."""
        self._left_out[Remark(file, 1, what, why)] = None

    @contextmanager
    def told(self, plugin: Plugin, *place: str | int) -> Iterator[None]:
        """Tell of what is not carried over inside."""
        try:
            yield
        except NotCarriedOver as error:
            self.leave_out(plugin, str(error), *place)

    def note(self, plugin: Plugin, text: str, *place: str | int) -> None:
        """Tell something about what is carried over."""
        self._notes[_remark(plugin, text, place)] = None


def _remark(plugin: Plugin, why: str, place: tuple[str | int, ...]) -> Remark:
    named = [str(part) for part in place if isinstance(part, str)]
    return Remark(plugin.file, plugin.line(*place), ".".join([plugin.title, *named]), why)
