"""Opening the Iceberg catalog."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from influx_lake.errors import MissingExtra
from influx_lake.iceberg.translation import catalog_errors
from influx_lake.iceberg.tries import seconds_left
from influx_lake.private_folders import make_private

if TYPE_CHECKING:
    import sqlite3

    from pyiceberg.catalog import Catalog

_SQLITE = "sqlite:///"
# Another process that holds SQLite's write lock does so for milliseconds; failing at once would fail the window.
_SQLITE_BUSY_SECONDS = 60
_SQLITE_OPENING_SECONDS = 10
_SHORTEST_BUSY_SECONDS = 0.1
_TABLES_OF_A_CATALOG = 2


def open_catalog(name: str, properties: Mapping[str, str]) -> Catalog:
    """Open a catalog with pyiceberg's own properties (`type`, `uri`, `warehouse`, `s3.*`, ...).

    The folders of a local SQLite catalog and warehouse are made when they are missing.

    Raises:
        CatalogError: The catalog cannot be reached or refuses.
        StorageError: A local folder cannot be made.
        MissingExtra: It is a Hive Metastore, and the packages for it are not installed.
    """
    from pyiceberg.exceptions import NotInstalledError

    prepared, busy_seconds = dict(properties), None
    database = _sqlite_file(prepared.get("uri", ""))
    with catalog_errors(f"open the catalog {name}"):
        if "s3.endpoint" in prepared:
            # S3 servers that do not know aws-chunked uploads answer 411, or store the framing as data.
            os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        if database is not None:
            make_private(database.parent)
            uri = prepared["uri"]
            if "timeout=" not in uri:
                prepared["uri"] = f"{uri}{'&' if '?' in uri else '?'}timeout={_SQLITE_BUSY_SECONDS}"
                busy_seconds = _SQLITE_BUSY_SECONDS
            _wait_for(database)
        try:
            catalog = _quicker(_loaded(name, prepared))
        except NotInstalledError as error:
            if prepared.get("type") != "hive" and not prepared.get("uri", "").startswith("thrift"):
                raise
            raise MissingExtra("a Hive Metastore as catalog", "hive") from error
    if database is not None:
        _begin_sessions_anew(catalog, busy_seconds)
    return catalog


def _loaded(name: str, properties: Mapping[str, str]) -> Catalog:
    """Load the catalog; again where somebody else makes the tables of a new SQL catalog at the same moment.

    The first runs of a lake start together. Each of the two tables can be made by another one just between the look
    whether it is there and its making, once.
    """
    from pyiceberg.catalog import load_catalog
    from sqlalchemy.exc import DBAPIError

    for _ in range(_TABLES_OF_A_CATALOG):
        try:
            return load_catalog(name, **properties)
        except DBAPIError as error:
            if "already exists" not in str(error):
                raise
    return load_catalog(name, **properties)


def _quicker(catalog: Catalog) -> Catalog:
    """Our own SQL catalog in the place of pyiceberg's, with the same properties; others as they are."""
    if not hasattr(catalog, "engine"):
        return catalog
    from pyiceberg.catalog import sql

    from influx_lake.iceberg.sql_catalog import SqlCatalog

    if type(catalog) is not sql.SqlCatalog:
        return catalog
    catalog.close()
    return SqlCatalog(catalog.name, **catalog.properties)


def _wait_for(database: Path) -> None:
    """Wait for a database that another process locks, once: pyiceberg takes one that it cannot read for an empty one.

    Raises:
        sqlalchemy.exc.DatabaseError: It is locked for longer than another one's commit takes, or is no database.
    """
    import sqlite3

    from sqlalchemy.exc import DatabaseError

    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=_SQLITE_OPENING_SECONDS)) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise DatabaseError("", {}, error) from error


def _sqlite_file(uri: str) -> Path | None:
    database = unquote(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else ""
    return None if database in ("", ":memory:") or database.startswith("file:") else Path(database)


def _begin_sessions_anew(catalog: Catalog, busy_seconds: float | None) -> None:
    """Let no session see what an earlier one failed to commit, nor wait for a lock beyond the time of its tries.

    SQLite keeps the transaction of a COMMIT that another process's lock refused, and SQLAlchemy gives its connection
    to the next session: that would read the table as it was never committed, and take the commit for done.
    """
    from sqlalchemy import event

    def roll_back(connection: sqlite3.Connection, *_: object) -> None:
        if connection.in_transaction:
            connection.rollback()
        if busy_seconds is not None:
            left = min(busy_seconds, max(_SHORTEST_BUSY_SECONDS, seconds_left()))
            connection.execute(f"pragma busy_timeout = {int(left * 1000)}")

    event.listen(catalog.engine, "checkout", roll_back)  # type: ignore[attr-defined]
