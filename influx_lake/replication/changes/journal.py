"""The journal of changes: a SQLite file in the lake's private folder that keeps them until their windows are loaded."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from influx_lake.config.values.windows import Window
from influx_lake.errors import StorageError, StorageUnavailable
from influx_lake.private_folders import OWN_FOLDER, make_private
from influx_lake.replication.changes.change import Change, merged_changes

FILE = "changes.db"
PATIENCE = 30.0
"""The longest wait for another process's write lock, in seconds."""
_VERSION = 1
_TABLES = """
create table if not exists changes (
    "table" text not null, first integer not null, last integer not null,
    noted integer not null, points integer not null, since integer not null,
    primary key ("table", first, last)
) without rowid;
create table if not exists tellers (source text primary key, heard integer not null) without rowid;
create table if not exists readings (source text primary key, until integer not null) without rowid;
create table if not exists seen (
    source text not null, time integer not null, measurement text not null,
    first integer not null, last integer not null,
    primary key (source, time, measurement, first, last)
) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A successful load, by which changes are acknowledged.

    Attributes:
        table: The measurement, by its `full_name`.
        window: The loaded window.
        began: When it began, in nanoseconds since 1970 by this machine's clock: it may have read the source from then
            on.
    """

    table: str
    window: Window
    began: int


@dataclass(frozen=True, slots=True, order=True)
class SeenRow:
    """A row of a table of changes that was read: rows are read again for a while, since some become visible late."""

    time: int
    measurement: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ChangeJournal:
    """The journal of pending changes, and how far the tables of changes were read.

    Changes are on disk when `note` returns. Processes may share the file.

    Args:
        path: The file; made with its folder, for this user alone, where it is missing.
    """

    path: Path

    @classmethod
    def of(cls, root: Path) -> ChangeJournal:
        """The journal of a lake.

        Args:
            root: The lake's folder.
        """
        return cls(root / OWN_FOLDER / FILE)

    def note(self, changes: Iterable[Change], *, source: str | None = None) -> None:
        """Keep changes, merged by hour.

        Args:
            changes: The changes.
            source: The source that reported them; the time of its report is kept, also without changes.

        Raises:
            StorageError: They cannot be kept.
        """
        with self._writing() as connection:
            _note(connection, changes)
            if source is not None:
                _heard(connection, source)

    def pending(self) -> list[Change]:
        """The pending changes by table, oldest first.

        Raises:
            StorageError: The file cannot be read.
        """
        if not self.path.exists():
            return []
        with self._reading() as connection:
            rows = connection.execute('select "table", first, last, noted, points, since from changes').fetchall()
        return sorted(Change(*row) for row in rows)

    def acknowledge(self, loads: Iterable[Loaded]) -> None:
        """Remove the changes that were noted before a load of their time began.

        Raises:
            StorageError: The file cannot be written.
        """
        of_table: dict[str, list[Loaded]] = defaultdict(list)
        for load in loads:
            of_table[load.table].append(load)
        if not of_table or not self.path.exists():
            return
        with self._reading() as connection:
            # Most loads have nothing to acknowledge, and need no write lock.
            told = [table for table in of_table if _changes_of(connection, table)]
        if not told:
            return
        with self._writing() as connection:
            for table in told:
                loaded = of_table[table]
                known = _changes_of(connection, table)
                left = [part for change in known for part in _not_in(change, loaded)]
                if left != known:
                    _replace(connection, table, left)

    def forget(self, tables: Collection[str]) -> None:
        """Remove the changes of tables that the lake does not have.

        Raises:
            StorageError: The file cannot be written.
        """
        with self._writing() as connection:
            connection.executemany('delete from changes where "table" = ?', [(table,) for table in tables])

    def heard(self) -> Mapping[str, int]:
        """When each source last reported, in nanoseconds since 1970."""
        if not self.path.exists():
            return {}
        with self._reading() as connection:
            return dict(connection.execute("select source, heard from tellers").fetchall())

    def read_until(self, source: str) -> int | None:
        """The time of the newest row that was read of a source's table of changes; None where none was."""
        if not self.path.exists():
            return None
        with self._reading() as connection:
            found = connection.execute("select until from readings where source = ?", (source,)).fetchone()
        return int(found[0]) if found else None

    def unseen(self, source: str, rows: Collection[SeenRow]) -> set[SeenRow]:
        """The rows, of those given of a source's table of changes, that were not read yet."""
        if not self.path.exists() or not rows:
            return set(rows)
        oldest = min(row.time for row in rows)
        with self._reading() as connection:
            known = connection.execute(
                "select time, measurement, first, last from seen where source = ? and time >= ?", (source, oldest)
            ).fetchall()
        return set(rows) - {SeenRow(*row) for row in known}

    def note_read(
        self, source: str, changes: Iterable[Change], rows: Collection[SeenRow], until: int, forget_before: int
    ) -> None:
        """Keep changes that were read from a table, and the rows as read, in one transaction.

        Args:
            source: The source.
            changes: The changes.
            rows: The rows that say so.
            until: How far the table was read.
            forget_before: Rows older than this are not read again.

        Raises:
            StorageError: They cannot be kept.
        """
        with self._writing() as connection:
            _note(connection, changes)
            if rows:
                _heard(connection, source)
            connection.executemany(
                "insert or ignore into seen values (?, ?, ?, ?, ?)",
                [(source, row.time, row.measurement, row.first, row.last) for row in rows],
            )
            connection.execute("delete from seen where source = ? and time < ?", (source, forget_before))
            connection.execute("insert or replace into readings values (?, ?)", (source, until))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection:
            connection.execute("begin immediate")
            yield connection
            connection.commit()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection:
            yield connection

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            if not self.path.exists():
                make_private(self.path.parent)
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)) as connection:
                # Acknowledged reports survive a power failure.
                connection.execute("pragma synchronous = extra")
                if connection.execute("pragma user_version").fetchone()[0] != _VERSION:
                    connection.executescript(f"begin immediate; {_TABLES} pragma user_version = {_VERSION}; commit;")
                yield connection
        except sqlite3.OperationalError as error:
            raise StorageUnavailable(f"{self.path}, which keeps changes, cannot be used: {error}") from None
        except (sqlite3.DatabaseError, OSError) as error:
            said = error.strerror or error if isinstance(error, OSError) else error
            raise StorageError(
                f"{self.path}, which keeps changes, cannot be used: {said}",
                remedy="Move the file away where it is damaged; `influx-lake verify --load` finds what it held",
            ) from None


def _note(connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
    of_table: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        of_table[change.table].append(change)
    for table, new in of_table.items():
        _replace(connection, table, merged_changes([*_changes_of(connection, table), *new]))


def _changes_of(connection: sqlite3.Connection, table: str) -> list[Change]:
    rows = connection.execute(
        'select "table", first, last, noted, points, since from changes where "table" = ? order by first, last',
        (table,),
    )
    return [Change(*row) for row in rows]


def _replace(connection: sqlite3.Connection, table: str, changes: Iterable[Change]) -> None:
    connection.execute('delete from changes where "table" = ?', (table,))
    rows = [(each.table, each.first, each.last, each.noted, each.points, each.since) for each in changes]
    connection.executemany("insert into changes values (?, ?, ?, ?, ?, ?)", rows)


def _heard(connection: sqlite3.Connection, source: str) -> None:
    connection.execute("insert or replace into tellers values (?, ?)", (source, time.time_ns()))


def _not_in(change: Change, loads: Iterable[Loaded]) -> list[Change]:
    left = [change]
    for load in loads:
        if load.began > change.noted:
            first, last = load.window.start_us * 1_000, load.window.end_us * 1_000 - 1
            left = [part for each in left for part in each.without(first, last)]
    return left
