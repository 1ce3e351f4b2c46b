"""Remarks on the conversion of a Telegraf configuration, each with its file and line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from influx_lake.cli.telegraf.document import Plugin


class NotCarriedOver(Exception):
    """Something has no equivalent in lake.yaml. The message says why."""


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """A remark on something in the configuration.

    Attributes:
        file: The configuration file.
        line: The line in it.
        what: The plugin or option: `processors.regex`, `converter.fields.timestamp`.
        why: Why it is not converted, or what to note.
    """

    file: Path
    line: int
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}: {self.why}"

    def facts(self) -> dict[str, str | int]:
        """The remark as JSON."""
        return {"file": str(self.file), "line": self.line, "what": self.what, "why": self.why}


@dataclass(slots=True)
class Remarks:
    """The remarks on a conversion, without duplicates."""

    _left_out: dict[Remark, None] = field(default_factory=dict)
    _notes: dict[Remark, None] = field(default_factory=dict)

    @property
    def left_out(self) -> list[Remark]:
        """Remarks on what was not converted."""
        return list(self._left_out)

    @property
    def notes(self) -> list[Remark]:
        """The other remarks."""
        return list(self._notes)

    def leave_out(self, plugin: Plugin, why: str, *place: str | int) -> None:
        """Add a remark that something of a plugin is not converted."""
        self._left_out[_remark(plugin, why, place)] = None

    def leave_out_of(self, file: Path, what: str, why: str) -> None:
        """Add a remark that something of the whole configuration is not converted."""
        self._left_out[Remark(file, 1, what, why)] = None

    @contextmanager
    def leaving_out(self, plugin: Plugin, *place: str | int) -> Iterator[None]:
        """A context in which `NotCarriedOver` becomes a remark."""
        try:
            yield
        except NotCarriedOver as error:
            self.leave_out(plugin, str(error), *place)

    def note(self, plugin: Plugin, text: str, *place: str | int) -> None:
        """Add another remark."""
        self._notes[_remark(plugin, text, place)] = None


def _remark(plugin: Plugin, why: str, place: tuple[str | int, ...]) -> Remark:
    named = [str(part) for part in place if isinstance(part, str)]
    return Remark(plugin.file, plugin.line(*place), ".".join([plugin.title, *named]), why)
