"""Converts a plugin's catalog configuration to the section `catalog`; credentials become references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from influx_lake.config.catalogs.nested import leaves
from influx_lake.config.catalogs.options import is_secret_name, shows_secret
from influx_lake.config.lake.lake_file import escaped, stored_secret
from influx_lake.errors import ConfigurationError

NAME = "iceberg"
"""The plugin's name of its catalog: a SQL catalog finds tables only under the name they were created with."""
_NOT_IN_NAME = re.compile(r"[^A-Z0-9]+")
_PASSWORD = re.compile(r"(?P<before>[^:/?#\s]+://[^/@:]*:)(?P<password>[^@]+)(?P<after>@.*)", re.DOTALL)
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?!/)")


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret that was replaced by a reference.

    Attributes:
        variable: The environment variable to set.
        origin: Where the plugin's configuration has it.
    """

    variable: str
    origin: str


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """The converted section `catalog`.

    Attributes:
        properties: The section.
        credentials: The environment variables to set.
        relative: The properties with relative paths, which were below the server's folder and are now below the
            lake.yaml's.
    """

    properties: Mapping[str, str]
    credentials: tuple[Credential, ...]
    relative: tuple[str, ...]


def catalog_entry(configuration: Mapping[str, Any]) -> CatalogEntry:
    """Convert the catalog properties that the plugin passes to pyiceberg.

    Properties inside others become dotted names: TOML reads `s3.region = "..."` without quotes as a table.

    Raises:
        ConfigurationError: A property's value is a list of other things than texts.
    """
    properties, credentials, relative = {"name": NAME}, list[Credential](), list[str]()
    for place, value in leaves(configuration):
        key = ".".join(place)
        if value is None or key == "name":
            continue
        if isinstance(value, list):
            raise ConfigurationError(
                f"catalog_configs: {key} is a list", remedy="Give each property a text, a number, true or false"
            )
        text = str(value).lower() if isinstance(value, bool) else str(value)
        written, variable = _referenced(key, text)
        properties[key] = written
        if variable:
            credentials.append(Credential(variable, f"catalog_configs: {key}"))
        if _is_relative(key, text):
            relative.append(key)
    return CatalogEntry(properties, tuple(credentials), tuple(relative))


def _referenced(key: str, text: str) -> tuple[str, str | None]:
    """A property with its secret replaced by a reference, and the variable of that."""
    variable = "ICEBERG_" + _NOT_IN_NAME.sub("_", key.upper()).strip("_")
    if is_secret_name(key):
        return stored_secret(variable), variable
    if not shows_secret(text):
        return escaped(text), None
    password = _PASSWORD.fullmatch(text)
    if password and not shows_secret(password["before"] + "@" + password["after"]):
        variable += "_PASSWORD"
        return f"{escaped(password['before'])}{stored_secret(variable)}{escaped(password['after'])}", variable
    # More than a password is secret: a part of the path or query.
    return stored_secret(variable), variable


def _is_relative(key: str, text: str) -> bool:
    if key == "uri":
        return _SQLITE.match(text) is not None and ":memory:" not in text
    return key == "warehouse" and text.startswith(("./", "../"))
