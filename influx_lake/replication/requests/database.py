"""The SQLite file of the journal of requests: schema, connections, transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from influx_lake.errors import StorageError
from influx_lake.private_folders import make_private

_PATIENCE_SECONDS = 30
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, runner TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL,
  created REAL NOT NULL, began REAL, ended REAL, planned INTEGER NOT NULL DEFAULT 0,
  canceled INTEGER NOT NULL DEFAULT 0, result TEXT, error TEXT, key TEXT UNIQUE, fingerprint TEXT);
CREATE INDEX IF NOT EXISTS requests_by_state ON requests (state, created);
CREATE TABLE IF NOT EXISTS windows (
  request TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE, number INTEGER NOT NULL, measurement TEXT NOT NULL,
  window TEXT NOT NULL, state TEXT NOT NULL, rows INTEGER NOT NULL DEFAULT 0, facts TEXT, error TEXT,
  run TEXT, asset TEXT, partition TEXT, PRIMARY KEY (request, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
  name TEXT NOT NULL, window INTEGER, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_of_request ON events (request, number);
"""


class JournalFailed(StorageError):
    """The journal cannot be read or written at present."""

    transient = True


class Database:
    """A SQLite file that threads and processes may share.

    Args:
        path: The file; created, for this user alone, where it does not exist.

    Raises:
        StorageError: It cannot be created, or is not a journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RLock()
        try:
            make_private(path.parent)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                path, timeout=_PATIENCE_SECONDS, check_same_thread=False, isolation_level=None
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.executescript(f"PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; {_SCHEMA}")
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"the journal {path} cannot be opened: {error}") from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def one(self, statement: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query."""
        found: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
        return found

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self._connection.execute(statement, values).fetchall()

    def do(self, statement: str, *values: Any) -> int:
        """Run a statement; returns the number of changed rows."""
        return self._connection.execute(statement, values).rowcount

    def do_each(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each row of values."""
        self._connection.executemany(statement, rows)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A context in which a thread has exclusive use of the connection.

        Raises:
            JournalFailed: The file cannot be read.
        """
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise JournalFailed(f"the journal {self._path} cannot be read: {error}") from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A context whose statements are committed together or not at all.

        Raises:
            JournalFailed: The file cannot be written.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise JournalFailed(f"the journal {self._path} cannot be written: {error}") from None
