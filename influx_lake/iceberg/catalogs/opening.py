"""Opens Iceberg catalogs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import unquote

from influx_lake.config.catalogs.options import DEFAULT_TIMEOUT, TIMEOUT
from influx_lake.config.values.units import parse_duration
from influx_lake.errors import ConfigurationError, MissingExtra
from influx_lake.iceberg.catalogs.retry import seconds_left
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.storage.endpoints import take_plain_uploads
from influx_lake.iceberg.timeouts.bounded_catalog import load_bounded_catalog
from influx_lake.private_folders import make_private

if TYPE_CHECKING:
    import sqlite3

    from pyiceberg.catalog import Catalog

_SQLITE = "sqlite:///"
# Another process holds SQLite's write lock for milliseconds; failing at once would fail the window.
_LONGEST_LOCK_SECONDS = 60.0
_LONGEST_OPENING_SECONDS = 10.0
_SHORTEST_BUSY_SECONDS = 0.1
_TABLES_OF_A_CATALOG = 2


@runtime_checkable
class ListsMetadataFiles(Protocol):
    """A catalog that lists the newest metadata file of all its tables at once."""

    def metadata_files(self) -> dict[tuple[str, str], str]:
        """The newest metadata file of each table, by its namespace, joined by dots, and its name.

        Raises:
            CatalogError: The catalog cannot list them.
        """
        ...


def open_catalog(name: str, properties: Mapping[str, str], lock_timeout: timedelta | None = None) -> Catalog:
    """Open a catalog with pyiceberg's own properties (`type`, `uri`, `warehouse`, `s3.*`, ...) and our `timeout`.

    The folder of a local SQLite catalog is created where it is missing.

    Args:
        name: The catalog's name.
        properties: Its properties.
        lock_timeout: The longest wait for a SQLite file that another process has locked, at most a minute, and at most
            ten seconds while opening.

    Raises:
        CatalogError: The catalog cannot be reached or refuses.
        ConfigurationError: A property is wrong.
        StorageError: A local folder cannot be made.
        MissingExtra: The catalog is a Hive Metastore, and the packages for it are not installed.
    """
    from pyiceberg.exceptions import NotInstalledError

    prepared, busy_seconds = dict(properties), None
    answer_seconds = _answer_seconds(prepared.pop(TIMEOUT, DEFAULT_TIMEOUT))
    lock_seconds = min(_LONGEST_LOCK_SECONDS, (lock_timeout or timedelta.max).total_seconds())
    database = _sqlite_file(prepared.get("uri", ""))
    with catalog_errors(f"open the catalog {name}"):
        take_plain_uploads(prepared)
        if database is not None:
            make_private(database.parent)
            uri = prepared["uri"]
            if "timeout=" not in uri:
                prepared["uri"] = f"{uri}{'&' if '?' in uri else '?'}timeout={lock_seconds:g}"
                busy_seconds = lock_seconds
            _wait_for(database, min(_LONGEST_OPENING_SECONDS, lock_seconds))
        try:
            catalog = _with_cache(_loaded(name, prepared, answer_seconds))
        except NotInstalledError as error:
            if prepared.get("type") != "hive" and not prepared.get("uri", "").startswith("thrift"):
                raise
            raise MissingExtra("a Hive Metastore as catalog", "hive") from error
    if database is not None:
        _reset_sessions(catalog, busy_seconds)
    return catalog


def _answer_seconds(text: str) -> float:
    try:
        seconds = parse_duration(text).total_seconds()
    except ValueError as mistake:
        raise ConfigurationError(f"`{TIMEOUT}` of the catalog {mistake}") from None
    if not seconds:
        raise ConfigurationError(f"`{TIMEOUT}` of the catalog is no time at all")
    return seconds


def _loaded(name: str, properties: Mapping[str, str], answer_seconds: float) -> Catalog:
    """Load the catalog; retry where another process creates the tables of a new SQL catalog at the same moment.

    The first runs of a lake start together. Another run can create each of the two tables between pyiceberg's check
    for it and its creation, once.
    """
    from sqlalchemy.exc import DBAPIError

    for _ in range(_TABLES_OF_A_CATALOG):
        try:
            return load_bounded_catalog(name, properties, answer_seconds)
        except DBAPIError as error:
            if "already exists" not in str(error):
                raise
    return load_bounded_catalog(name, properties, answer_seconds)


def _with_cache(catalog: Catalog) -> Catalog:
    """Replace pyiceberg's SQL catalog by ours, with the same properties; other catalogs are returned as they are."""
    if not hasattr(catalog, "engine"):
        return catalog
    from pyiceberg.catalog import sql

    from influx_lake.iceberg.catalogs.sql_catalog import SqlCatalog

    if type(catalog) is not sql.SqlCatalog:
        return catalog
    catalog.close()
    return SqlCatalog(catalog.name, **catalog.properties)


def _wait_for(database: Path, seconds: float) -> None:
    """Wait once while another process locks the database: pyiceberg takes one that it cannot read for an empty one.

    Raises:
        sqlalchemy.exc.DatabaseError: The file stays locked for longer than `seconds`, or is no SQLite database.
    """
    import sqlite3

    from sqlalchemy.exc import DatabaseError

    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=seconds)) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise DatabaseError("", {}, error) from error


def _sqlite_file(uri: str) -> Path | None:
    database = unquote(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else ""
    return None if database in ("", ":memory:") or database.startswith("file:") else Path(database)


def _reset_sessions(catalog: Catalog, busy_seconds: float | None) -> None:
    """Roll back what an earlier session failed to commit, and wait for locks no longer than the retries may take.

    SQLite keeps a transaction open when another process's lock refused its COMMIT, and SQLAlchemy gives the
    connection to the next session: that would read the uncommitted change, and take the commit for done.
    """
    from sqlalchemy import event

    def roll_back(connection: sqlite3.Connection, *_: object) -> None:
        if connection.in_transaction:
            connection.rollback()
        if busy_seconds is not None:
            left = min(busy_seconds, max(_SHORTEST_BUSY_SECONDS, seconds_left()))
            connection.execute(f"pragma busy_timeout = {int(left * 1000)}")

    event.listen(catalog.engine, "checkout", roll_back)  # type: ignore[attr-defined]
