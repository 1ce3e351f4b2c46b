"""Replaces the secrets of a lake.yaml by `Secret`s, with a warning for those written out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influx_lake.config.catalogs.options import holds_secret, is_secret_name
from influx_lake.config.references.secret import Secret
from influx_lake.config.report.diagnostics import Location, Report

_LITERAL_WARNING = (
    "a secret is written here: put a reference in its place, such as ${{{}}}, and keep the value elsewhere"
)


@dataclass(frozen=True, slots=True)
class DeferredSecrets:
    """Replaces secrets by `Secret`s.

    Attributes:
        report: Collects mistakes.
        lake: The lake.yaml, if any.
    """

    report: Report
    lake: Path | None

    def within(self, entries: dict[str, Any], path: tuple[str, ...], location: tuple[str, ...]) -> dict[str, Any]:
        """The entries with the secret at a path replaced."""
        value = entries.get(path[0])
        if len(path) > 1:
            return {**entries, path[0]: self.within(value, path[1:], location)} if isinstance(value, dict) else entries
        return {**entries, path[0]: self.as_secret(value, location)} if path[0] in entries else entries

    def as_secret(self, value: Any, location: tuple[str, ...]) -> Any:
        """A text as `Secret`; other values are unchanged."""
        if not isinstance(value, str) or not value:
            return value
        secret = self._secret(value, location)
        self.warn_of_literal(secret, location, "_".join(location).upper())
        return secret

    def any_text(self, text: str, location: Location) -> Secret:
        """A text as `Secret` that may be one; whether it should be a reference depends on its name."""
        secret = self._secret(text, tuple(map(str, location)))
        if is_secret_name(name := str(location[-1])):
            self.warn_of_literal(secret, location, re.sub(r"\W", "_", name).upper())
        return secret

    def warn_of_literals(self, entries: Mapping[str, str | Secret], places: Mapping[str, tuple[str, ...]]) -> None:
        """Warn of entries with written-out secrets."""
        for key, value in entries.items():
            if isinstance(value, Secret) and (value.mistake or holds_secret(key, value)):
                self.warn_of_literal(value, places[key], re.sub(r"\W", "_", key).upper())

    def warn_of_literal(self, secret: Secret, location: Location, variable: str) -> None:
        """Warn of a secret that is written out, or that cannot be one."""
        if mistake := secret.mistake:
            self.report.mistake(location, mistake)
            self.report.lost(location)
        elif secret.is_literal:
            # Outside a lake.yaml a literal has no reference that leads to it.
            record = self.report.warn if self.lake else self.report.mistake
            record(location, _LITERAL_WARNING.format(variable))

    def _secret(self, text: str, location: tuple[str, ...]) -> Secret:
        return Secret(text, root=self.report.path.parent, lake=self.lake, location=location)
