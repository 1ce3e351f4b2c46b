"""Finds the folder of each table; InfluxDB 3 names folders by number."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from influx_lake.config.connections.influxdb3_parquet import InfluxDB3ParquetConfig
from influx_lake.errors import ConfigurationError, DatabaseNotFound, SourceError
from influx_lake.object_stores.listing import children
from influx_lake.sources.influxdb3_parquet.footers import Odd, read_footer
from influx_lake.sources.influxdb3_parquet.paths import PersistedPath, parse_path

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_NUMBERED = re.compile(r"(?:(?P<name>.+)-)?(?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class TableFolder:
    """The folder of a table.

    Attributes:
        node: The node's folder, in the store.
        path: The folder's own path below the node's: `dbs/1/3`.
    """

    node: str
    path: str

    def files(self, store: FileSystem) -> list[tuple[str, int, PersistedPath]]:
        """The folder's files: the path, the size and the parsed path of each."""
        from pyarrow.fs import FileSelector, FileType

        found = store.get_file_info(FileSelector(f"{self.node}/{self.path}", recursive=True, allow_not_found=True))
        return [
            (info.path, info.size, parsed)
            for info in found
            if info.type is FileType.File and (parsed := parse_path(info.path.removeprefix(f"{self.node}/")))
        ]


@dataclass(frozen=True)
class PersistedTables:
    """The tables of one database.

    Attributes:
        config: The options of the database and its tables.
        store: The file system that holds the files.
        node: The node's folder in it.
        database: The name of the database's folder.
        odd: Makes the error for a file that is not as InfluxDB writes it.
    """

    config: InfluxDB3ParquetConfig
    store: FileSystem
    node: str
    database: str
    odd: Odd
    _numbers: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def find(cls, config: InfluxDB3ParquetConfig, store: FileSystem, node: str, odd: Odd) -> PersistedTables:
        """Find the database's folder.

        Raises:
            DatabaseNotFound: There is none.
            ConfigurationError: There are several, and the configuration does not identify one.
            SourceError: The running server could not be asked for it.
        """
        asked = dict(_server_paths(config)) if config.server is not None else {}
        folders = dict(_folders(store, f"{node}/dbs"))
        numbers = {path.database for path in asked.values()}
        if config.database_id is not None:
            numbers = {config.database_id}
        candidates = [
            folder
            for folder, (name, number) in folders.items()
            if (number in numbers if numbers else name in (None, config.database))
        ]
        where = f"{config.location}/dbs"
        if not candidates:
            raise DatabaseNotFound(
                f"{where} has no folder for the database {config.database!r}; there are: "
                f"{', '.join(sorted(folders)) or 'none'}",
                remedy="Correct `location`, `database` or `database_id`",
            )
        if len(candidates) > 1:
            raise ConfigurationError(
                f"{where} has several databases ({', '.join(sorted(candidates))}), and it is unknown which of them is "
                f"{config.database!r}",
                remedy="Set `database_id` to the number of its folder, or `server` to the running server",
            )
        known = {name: path.table for name, path in asked.items()} | dict(config.tables)
        return cls(config, store, node, candidates[0], odd, known)

    def names(self) -> frozenset[str]:
        """The names of the tables that hold files."""
        return frozenset(self._folders)

    def folder(self, measurement: str) -> TableFolder | None:
        """A table's folder; None if no table has this name.

        Raises:
            ConfigurationError: Several tables have it: one was dropped, and another created.
        """
        found = self._folders.get(measurement, [])
        if len(found) > 1:
            raise ConfigurationError(
                f"several folders below {self.config.location}/dbs/{self.database} are named "
                f"{measurement!r}: {', '.join(sorted(found))}",
                remedy=f"Select one: tables: {{{measurement}: number}}",
            )
        return TableFolder(self.node, f"dbs/{self.database}/{found[0]}") if found else None

    @cached_property
    def _folders(self) -> Mapping[str, list[str]]:
        """The folders of the tables, by table name."""
        names = {number: name for name, number in self._numbers.items()}
        found: dict[str, list[str]] = defaultdict(list)
        for folder, (path_name, number) in _folders(self.store, f"{self.node}/dbs/{self.database}"):
            name = names.get(number) or path_name or self._name_in_files(folder)
            # A configured number selects one of several folders with the same name.
            if name is not None and self._numbers.get(name, number) == number:
                found[name].append(folder)
        return found

    def _name_in_files(self, folder: str) -> str | None:
        files = TableFolder(self.node, f"dbs/{self.database}/{folder}").files(self.store)
        failure: SourceError | None = None
        for path, _, _ in sorted(files, key=lambda file: (file[2].sequence, file[0]), reverse=True):
            try:
                return read_footer(self.store, path, self.odd).measurement
            except SourceError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return None


def _folders(store: FileSystem, path: str) -> Iterator[tuple[str, tuple[str | None, int]]]:
    """The numbered folders in a folder: the full name of each with its parts, a name (if any) and a number."""
    from pyarrow.fs import FileType

    for info in children(store, path):
        numbered = _NUMBERED.fullmatch(info.base_name)
        if info.type is FileType.Directory and numbered:
            yield info.base_name, (numbered["name"], int(numbered["number"]))


def _server_paths(config: InfluxDB3ParquetConfig) -> Iterator[tuple[str, PersistedPath]]:
    """Ask the running server where its tables are."""
    from influx_lake.sources.influxdb3 import InfluxDB3Source

    live = config.server
    if live is None:
        return
    source = InfluxDB3Source(live)
    try:
        for name in source.measurements():
            path = source.parquet_path(name)
            parsed = parse_path(path[path.index("dbs/") :]) if path and "dbs/" in path else None
            if parsed is not None:
                yield name, parsed
    finally:
        source.close()
