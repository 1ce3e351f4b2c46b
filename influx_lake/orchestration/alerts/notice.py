"""What people are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from influx_lake.config import AlertKind, Severity


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that went wrong.

    Attributes:
        kind: What kind of thing.
        title: What, in a few words.
        cause: Why.
        measurement: The measurement, or another asset.
        remedy: What to do about it.
        link: Where to look.
        severity: How bad it is.
    """

    kind: AlertKind
    title: str
    cause: str
    measurement: str | None = None
    window: str | None = None
    remedy: str | None = None
    link: str | None = None
    severity: Severity = Severity.ERROR

    def facts(self) -> Iterator[tuple[str, str]]:
        """What is known, by name."""
        known = {"Measurement": self.measurement, "Window": self.window, "Cause": self.cause, "Remedy": self.remedy}
        yield from ((name, text) for name, text in known.items() if text)

    def text(self) -> str:
        """All of it, as plain text."""
        lines = [self.title, *(f"{name}: {text}" for name, text in self.facts())]
        return "\n".join([*lines, self.link] if self.link else lines)


def subject_of(notices: Sequence[Notice]) -> str:
    """What a message with these says in one line."""
    more = len(notices) - 1
    return notices[0].title + (f" (and {more} more)" if more else "")
