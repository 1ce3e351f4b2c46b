"""A catalog configuration of the plugin as the section `catalog`: credentials become references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from influx_lake.config.catalogs.nested import flat
from influx_lake.config.catalogs.options import is_secret_name, shows_secret
from influx_lake.config.lake.lake_file import escaped, stored_secret

NAME = "iceberg"
"""What the plugin calls its catalog. A SQL catalog finds only the tables that it has under this name."""
_NOT_IN_NAME = re.compile(r"[^A-Z0-9]+")
_PASSWORD = re.compile(r"(?P<before>[^:/?#\s]+://[^/@:]*:)(?P<password>[^@]+)(?P<after>@.*)", re.DOTALL)
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?!/)")


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret that is no longer written.

    Attributes:
        variable: The variable that is to have it.
        origin: Where the plugin has it, for people.
    """

    variable: str
    origin: str


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A catalog of a lake.yaml.

    Attributes:
        properties: The section.
        credentials: What is to be set for it.
        relative: The properties whose places were below the folder of the server, and are below that of the lake.yaml.
    """

    properties: Mapping[str, str]
    credentials: tuple[Credential, ...]
    relative: tuple[str, ...]


def catalog_entry(configuration: Mapping[str, Any]) -> CatalogEntry:
    """The section `catalog` for what the plugin hands to pyiceberg."""
    entries, _ = flat(configuration)
    properties, credentials, relative = {"name": NAME}, list[Credential](), list[str]()
    for key, value in entries.items():
        if value is None or key == "name":
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        written, variable = _referenced(key, text)
        properties[key] = written
        if variable:
            credentials.append(Credential(variable, f"catalog_configs: {key}"))
        if _is_relative(key, text):
            relative.append(key)
    return CatalogEntry(properties, tuple(credentials), tuple(relative))


def _referenced(key: str, text: str) -> tuple[str, str | None]:
    """A property as it is written, and the variable that is to have what is secret of it."""
    variable = "ICEBERG_" + _NOT_IN_NAME.sub("_", key.upper()).strip("_")
    if is_secret_name(key):
        return stored_secret(variable), variable
    if not shows_secret(text):
        return escaped(text), None
    password = _PASSWORD.fullmatch(text)
    if password and not shows_secret(password["before"] + "@" + password["after"]):
        variable += "_PASSWORD"
        return f"{escaped(password['before'])}{stored_secret(variable)}{escaped(password['after'])}", variable
    # More of it is secret than a password: a part of its path, or of its query.
    return stored_secret(variable), variable


def _is_relative(key: str, text: str) -> bool:
    if key == "uri":
        return _SQLITE.match(text) is not None and ":memory:" not in text
    return key == "warehouse" and text.startswith(("./", "../"))
