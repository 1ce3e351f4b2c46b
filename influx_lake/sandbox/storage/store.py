"""Databases and measurements in memory, and the writes to them."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.storage.columns import kinds_of
from influx_lake.sandbox.storage.ingest import Limits, Parsed, RejectedLine, parse_body
from influx_lake.sandbox.storage.persistence import Folder
from influx_lake.sandbox.storage.precision import Precision
from influx_lake.sandbox.storage.table import Table

DATABASE_LIMIT = 100
_DROPPED_NAME = re.compile(r"-\d{8}T\d{6}\Z")
_DATABASE_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")


class StoreError(Exception):
    """A request failed; the text is the server's message."""


class BadDatabaseName(StoreError):
    """The name breaks the rules for databases."""


class EmptyWrite(StoreError):
    """A write without a single point."""


class TooMany(StoreError):
    """A limit of the server is reached."""


class WriteRejected(StoreError):
    """Lines of a write are not valid.

    Attributes:
        rejected: The lines.
        partial: Whether the other lines of the write were stored.
    """

    def __init__(self, rejected: list[RejectedLine], partial: bool) -> None:
        first = rejected[0]
        more = f" (and {len(rejected) - 1} more lines)" if len(rejected) > 1 else ""
        super().__init__(f"line {first.line_number}, {first.original_line!r}: {first.error_message}{more}")
        self.rejected = rejected
        self.partial = partial


class DatabaseNotFound(StoreError):
    """There is no database of this name."""


class DatabaseExists(StoreError):
    """There is a database of this name already."""


class TableNotFound(StoreError):
    """There is no measurement of this name."""


REMEMBERED_QUERIES = 1_000


@dataclass(frozen=True)
class AskedQuery:
    """A query that a database received.

    Attributes:
        text: The query.
        at: When, in nanoseconds since 1970.
        language: Its language.
    """

    text: str
    at: int
    language: str = "sql"


class Database:
    """A database: measurements by name. Writes are serialised."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.RLock()
        self.tables: dict[str, Table] = {}
        self.queries: deque[AskedQuery] = deque(maxlen=REMEMBERED_QUERIES)


class Store:
    """All databases.

    Args:
        folder: Where the data are stored; None for in memory.
        faults: The faults to inject.
        limits: The server's limits on schemas.
    """

    def __init__(self, folder: Folder | None, faults: Faults, limits: Limits | None = None) -> None:
        self._folder = folder
        self._faults = faults
        self._limits = limits or Limits()
        self._lock = threading.RLock()
        self._checkpoint = threading.Lock()
        self._databases: dict[str, Database] = {}
        if folder is not None:
            for database, table in folder.restore(self._new_table):
                self._database(database).tables.setdefault(table.name, table) if table else self._database(database)

    def database(self, name: str) -> Database:
        """The database of this name.

        Raises:
            DatabaseNotFound: if there is none.
        """
        try:
            return self._databases[name]
        except KeyError:
            raise DatabaseNotFound(f"database not found: {name}") from None

    def database_names(self) -> list[str]:
        return sorted(self._databases)

    def create_database(self, name: str) -> None:
        check_database_name(name)
        with self._lock:
            if name in self._databases:
                raise DatabaseExists("attempted to create a resource that already exists")
            self._create(name)

    def drop_database(self, name: str) -> None:
        """Remove a database with its contents."""
        with self._lock:
            database = self.database(name)
            with database.lock:
                self.checkpoint()
                for table in database.tables.values():
                    table.remove()
                del self._databases[name]
                if self._folder is not None:
                    self._folder.drop_database(name)

    def drop_table(self, database: str, name: str) -> None:
        """Drop a measurement as InfluxDB 3 Core does: it is renamed, and still listed and queryable.

        One that has already been dropped is removed for good.

        Raises:
            TableNotFound: if the database has none of this name.
        """
        owner = self.database(database)
        with owner.lock:
            if name not in owner.tables:
                raise TableNotFound(f"the requested resource was not found: {name}")
            self.checkpoint()
            table = owner.tables.pop(name)
            if not _DROPPED_NAME.search(name):
                kept = self._new_table(database, self._dropped_name(owner, name))
                kept.take_over(table)
                owner.tables[kept.name] = kept
            table.remove()

    def write(
        self,
        database: str,
        body: str,
        precision: Precision = Precision.NANOSECOND,
        accept_partial: bool = True,
        no_sync: bool = False,
    ) -> None:
        """Store a body of line protocol.

        Raises:
            StoreError: if it is not, or not wholly, valid; see the subclasses.
        """
        check_database_name(database)
        owner = self._database(database)
        flush = self._faults.flush_delay
        visible_at = time.monotonic() + flush if flush else 0.0
        with owner.lock:
            known = {name: table.columns for name, table in owner.tables.items()}
            parsed = parse_body(body, known, precision, time.time_ns(), self._limits, not accept_partial)
            self._store(owner, parsed, visible_at)
        if flush and not no_sync:
            time.sleep(flush)
        if not parsed.lines:
            raise EmptyWrite("incoming write was empty")
        if parsed.rejected:
            raise WriteRejected(parsed.rejected, partial=accept_partial)

    def append(self, database: str, measurement: str, rows: pa.Table) -> None:
        """Store rows of the stored schema, merged and durable at once, for bulk loads."""
        check_database_name(database)
        owner = self._database(database)
        with owner.lock:
            table = self._table(owner, measurement)
            table.append(rows, kinds_of(rows.schema), sequence=0)
            table.persist()

    def checkpoint(self) -> None:
        """Write everything to Parquet files, and truncate the write-ahead log.

        Without a folder the rows still count as persisted, which matters for `stale_updates`.
        """
        if self._folder is None:
            for table in self._tables():
                table.persist()
            return
        with self._checkpoint:
            old = self._folder.log.rotate()
            for table in self._tables():
                table.persist()
            self._folder.log.discard(old)

    def close(self) -> None:
        self.checkpoint()
        if self._folder is not None:
            self._folder.close()

    def _store(self, owner: Database, parsed: Parsed, visible_at: float) -> None:
        for measurement, rows in parsed.tables.items():
            table = self._table(owner, measurement)
            with table.lock:
                sequence = self._folder.log.append(owner.name, measurement, rows) if self._folder is not None else 0
                table.append(rows, kinds_of(rows.schema), sequence, visible_at)
        if self._folder is not None and self._folder.log.is_long:
            self.checkpoint()

    def _dropped_name(self, owner: Database, name: str) -> str:
        """The new name of a dropped table; unique even for two dropped in the same second."""
        moment = datetime.now(UTC)
        while (renamed := f"{name}-{moment:%Y%m%dT%H%M%S}") in owner.tables:
            moment += timedelta(seconds=1)
        return renamed

    def _tables(self) -> Iterator[Table]:
        for database in list(self._databases.values()):
            yield from list(database.tables.values())

    def _table(self, owner: Database, measurement: str) -> Table:
        if measurement not in owner.tables:
            owner.tables[measurement] = self._new_table(owner.name, measurement)
        return owner.tables[measurement]

    def _new_table(self, database: str, measurement: str) -> Table:
        files = self._folder.run_files(database, measurement) if self._folder is not None else None
        return Table(measurement, time.monotonic, files, lambda: self._faults.stale_updates)

    def _database(self, name: str) -> Database:
        with self._lock:
            return self._databases.get(name) or self._create(name)

    def _create(self, name: str) -> Database:
        if len(self._databases) >= DATABASE_LIMIT:
            raise TooMany(f"Adding a new database would exceed limit of {DATABASE_LIMIT} databases")
        if self._folder is not None:
            self._folder.create_database(name)
        return self._databases.setdefault(name, Database(name))


def check_database_name(name: str) -> None:
    """Apply the server's rules for database names.

    Raises:
        BadDatabaseName: with the server's message.
    """
    if not name:
        raise BadDatabaseName("db name cannot be empty")
    if not (name[0].isascii() and name[0].isalnum()):
        raise BadDatabaseName("db name did not start with a number or letter")
    if not _DATABASE_NAME.match(name):
        raise BadDatabaseName(
            "invalid character in database or rp name: must be ASCII, "
            "containing only letters, numbers, underscores, or hyphens"
        )
