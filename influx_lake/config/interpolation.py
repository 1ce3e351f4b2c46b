"""The references of a lake.yaml, at load time: variables take their values, secrets stay closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from influx_lake.config.alerts import SECRETS as ALERT_SECRETS
from influx_lake.config.catalog import is_secret_name
from influx_lake.config.problems import Location, Report
from influx_lake.config.references import ReferenceMistake, Template
from influx_lake.config.stores import USER_STORES

_SOURCE_SECRETS = ("token", "password")


def interpolate(value: Any, location: Location, report: Report) -> Any:
    """Replace the references in an entry. Mistakes go to the report, and values that hold them are left out.

    Where a value is kept for later (a token, the catalog's properties) its text stays as it is, checked.
    """
    if isinstance(value, dict):
        inner = {name: interpolate(entry, (*location, name), report) for name, entry in value.items()}
        return {name: entry for name, entry in inner.items() if not report.is_lost((*location, name))}
    if isinstance(value, list):
        return [interpolate(item, (*location, index), report) for index, item in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        return _text(value, location, report)
    return value


def is_kept_closed(location: Location) -> bool:
    """Whether what is written there is resolved at the moment of use, not at load."""
    if location[0] == "catalog":
        return location[1:] not in (("name",), ("type",))
    if location[0] == "alerts":
        return location[1:] in ALERT_SECRETS
    if location[0] != "sources":
        return False
    name = str(location[-1])
    return name in _SOURCE_SECRETS or (location[2:-1] == ("storage",) and is_secret_name(name))


def _text(text: str, location: Location, report: Report) -> str | None:
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
    if is_kept_closed(location):
        return text
    if template.needs_store:
        message = "a value from a file or a secret store is for a secret or the catalog; write ${VAR} or the value"
        _lose(message, location, report)
        return None
    return template.resolve(Path())


def _lose(message: str, location: Location, report: Report) -> None:
    report.mistake(location, message)
    report.lost(location)
