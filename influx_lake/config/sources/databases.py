"""Entries of `sources` with many databases: a source for each database that discovery found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from influx_lake.config.connections import ServerConfig, SourceConfig
from influx_lake.config.values.patterns import NamePattern, is_pattern

SEPARATOR = "/"


@dataclass(frozen=True)
class DatabaseGroup:
    """An entry of `sources` with several databases, by list or pattern.

    Attributes:
        name: The entry's name.
        server: The server's configuration, for a placeholder database.
        databases: The names and patterns of databases.
    """

    name: str
    server: ServerConfig
    databases: tuple[str, ...]

    def wanted(self, existing: Iterable[str]) -> list[str]:
        """The databases that match, of those that the server has; internal ones (`_...`) do not."""
        own = [name for name in existing if not name.startswith("_")]
        return sorted({name for text in self.databases for name in _matching(text, own)})

    def source_name(self, database: str) -> str:
        """The name of a database's source: `plant/telemetry`."""
        return f"{self.name}{SEPARATOR}{database}"

    def sources(self, databases: Iterable[str]) -> dict[str, SourceConfig]:
        """The sources by name, one for each database."""
        return {self.source_name(database): self.server.for_database(database) for database in databases}

    def holds(self, source: str) -> bool:
        """Whether a source belongs to this entry, known or not."""
        return source.startswith(self.name + SEPARATOR)

    def source(self, name: str) -> ServerConfig:
        """The configuration of a source of this entry."""
        return self.server.for_database(name.removeprefix(self.name + SEPARATOR))

    def discovered(self, state: Mapping[str, Any]) -> list[str]:
        """The known databases: discovered and listed ones."""
        prefix = self.name + SEPARATOR
        found = {name.removeprefix(prefix) for name in state if name.startswith(prefix)}
        named = {text for text in self.databases if not is_pattern(text)}
        return sorted(set(self.wanted(found)) | named)


def many_databases(written: Any) -> tuple[str, ...] | None:
    """The names and patterns, where an option names several databases."""
    if isinstance(written, list) and written and all(isinstance(each, str) and each for each in written):
        return tuple(written)
    return (written,) if isinstance(written, str) and is_pattern(written) else None


def _matching(text: str, names: Iterable[str]) -> list[str]:
    pattern = NamePattern(text)
    return [name for name in names if pattern.matches(name)]
