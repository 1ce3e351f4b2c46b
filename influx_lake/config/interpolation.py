"""The references of a lake.yaml, at load time: variables take their values, secrets stay closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from influx_lake.config.problems import Location, Report
from influx_lake.config.references import ReferenceMistake, Template
from influx_lake.config.stores import USER_STORES

_BROKEN = object()


def interpolate(value: Any, location: Location, report: Report) -> Any:
    """Replace the references in an entry; mistakes go to the report, and what holds them is left out.

    Where a value is kept for later (a token, the catalog's properties) its text stays as it is, checked.
    """
    result = _interpolate(value, location, report)
    return None if result is _BROKEN else result


def _interpolate(value: Any, location: Location, report: Report) -> Any:
    if isinstance(value, dict):
        inner = {name: _interpolate(entry, (*location, name), report) for name, entry in value.items()}
        return {name: entry for name, entry in inner.items() if entry is not _BROKEN}
    if isinstance(value, list):
        items = [_interpolate(item, (*location, index), report) for index, item in enumerate(value)]
        return [item for item in items if item is not _BROKEN]
    if isinstance(value, str) and "${" in value:
        return _text(value, location, report)
    return value


def _text(text: str, location: Location, report: Report) -> Any:
    try:
        template = Template.parse(text, USER_STORES)
    except ReferenceMistake as mistake:
        report.mistake(location, str(mistake))
        return _BROKEN
    missing = sorted(set(template.missing_variables()))
    for name in missing:
        message = f"the environment variable {name} is not set: set it, or give a default, ${{{name}:-...}}"
        report.mistake(location, message)
    if missing:
        return _BROKEN
    report.written[location] = text
    if is_kept_closed(location):
        return text
    if template.needs_store:
        message = "a value from a file or a secret store is for a token or the catalog; write ${VAR} or the value"
        report.mistake(location, message)
        return _BROKEN
    return template.resolve(Path())


def is_kept_closed(location: Location) -> bool:
    """Whether what is written there is resolved at the moment of use, not at load."""
    return location[0] == "catalog" or (location[0] == "sources" and location[2:] == ("token",))
