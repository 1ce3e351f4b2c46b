"""Resolves references in a lake.yaml at load time: variables are substituted, secrets stay references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from influx_lake.config.references.resolving import ReferenceMistake, Template
from influx_lake.config.references.stores import USER_STORES
from influx_lake.config.report.diagnostics import Location, Report


def interpolate(
    value: Any, location: Location, report: Report, is_deferred: Callable[[Location], bool] = lambda _: False
) -> Any:
    """Substitute the references in an entry. Mistakes are reported, and their values left out.

    Args:
        value: The entry.
        location: Its path in the document.
        report: Collects the mistakes.
        is_deferred: Tells which values are resolved when used (a token, catalog properties): they are checked and kept
            as text.
    """
    if isinstance(value, dict):
        inner = {name: interpolate(entry, (*location, name), report, is_deferred) for name, entry in value.items()}
        return {name: entry for name, entry in inner.items() if not report.is_lost((*location, name))}
    if isinstance(value, list):
        return [interpolate(item, (*location, index), report, is_deferred) for index, item in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        return _text(value, location, report, is_deferred(location))
    return value


def _text(text: str, location: Location, report: Report, closed: bool) -> str | None:
    try:
        template = Template.parse(text, USER_STORES)
    except ReferenceMistake as mistake:
        _lose(str(mistake), location, report)
        return None
    for name in sorted(set(template.missing_variables())):
        message = f"the environment variable {name} is not set, or empty: set it, or give a default, ${{{name}:-...}}"
        _lose(message, location, report)
    if report.is_lost(location):
        return None
    report.written[location] = text
    if closed:
        return text
    if template.needs_store:
        message = "a value from a file or a secret store is for a secret or the catalog; write ${VAR} or the value"
        _lose(message, location, report)
        return None
    return template.resolve(Path())


def _lose(message: str, location: Location, report: Report) -> None:
    report.mistake(location, message)
    report.lost(location)
