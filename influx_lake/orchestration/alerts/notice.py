"""The content of an alert about one failed run, failed check or late asset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from influx_lake.config import AlertKind, Severity


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of one failed run, failed check or late asset.

    Attributes:
        kind: What failed, as `alerts.on` of lake.yaml names it.
        title: The title, a few words.
        cause: Why it failed.
        measurement: The measurement's name, or the key of another asset.
        remedy: What to do about it.
        link: The page in Dagster's webserver.
        severity: Error or warning.
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
        """Yield measurement, window, cause and remedy, as far as they are known, each with its label."""
        known = {"Measurement": self.measurement, "Window": self.window, "Cause": self.cause, "Remedy": self.remedy}
        yield from ((name, text) for name, text in known.items() if text)

    def text(self) -> str:
        """The whole notice as plain text."""
        lines = [self.title, *(f"{name}: {text}" for name, text in self.facts())]
        return "\n".join([*lines, self.link] if self.link else lines)


def subject_of(notices: Sequence[Notice]) -> str:
    """The subject line of a message with these notices."""
    more = len(notices) - 1
    return notices[0].title + (f" (and {more} more)" if more else "")
