"""The journal of metrics: counters and comparisons of all processes that work on a lake, in a SQLite file.

In a file of the lake's private folder, since loads are short processes, which cannot be scraped. Rows and commits are
counted in the tables themselves (`iceberg/table_state/totals.py`).
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.errors import StorageError
from influx_lake.private_folders import OWN_FOLDER, make_private
from influx_lake.recorder import recorded_by

FILE = Path(OWN_FOLDER) / "metrics.db"
"""The file, relative to the lake's folder."""
FLUSH_SECONDS = 2.0
"""How long counts stay in memory, in seconds: a killed process loses as much."""
_LOCK_SECONDS = 1.0
_LAST_LOCK_SECONDS = 10.0
_SCHEMA = """
begin immediate;
create table if not exists counters (name text, labels text, value real not null, primary key (name, labels));
create table if not exists comparisons (
  measurement text, start_us integer, end_us integer, verdict text, source_rows integer, lake_rows integer, at real,
  primary key (measurement, start_us, end_us));
commit;
"""

log = logging.getLogger("influx_lake.metrics")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """The result of comparing a window with its source.

    Attributes:
        window: The window.
        verdict: The verdict.
        source_rows: The number of rows in the source.
        lake_rows: The number of rows in the lake.
        at: When it was compared.
    """

    window: Window
    verdict: str
    source_rows: int
    lake_rows: int
    at: datetime


@dataclass(frozen=True, slots=True)
class JournalContent:
    """The content of a journal.

    Attributes:
        counters: The counters by name and labels.
        comparisons: The last comparison of each window that was not loaded since, by the measurement's full name,
            oldest first.
    """

    counters: dict[tuple[str, Labels], float]
    comparisons: dict[str, list[Compared]]


def read_journal(root: Path) -> JournalContent:
    """Read the journal of a lake; it is empty where there is no file.

    Args:
        root: The lake's folder.

    Raises:
        StorageError: It cannot be read.
    """
    path, kept = root / FILE, JournalContent({}, {})
    if not path.is_file():
        return kept
    try:
        with closing(_connected(path)) as database:
            if not database.execute("select 1 from sqlite_master where name = 'comparisons'").fetchone():
                # Another process is creating it.
                return kept
            for name, labels, value in database.execute("select name, labels, value from counters"):
                kept.counters[name, _labels(labels)] = value
            found = database.execute(
                "select measurement, start_us, end_us, verdict, source_rows, lake_rows, at from comparisons"
                " order by measurement, start_us"
            )
            for measurement, start, end, verdict, source_rows, lake_rows, at in found:
                window = Window(EPOCH + start * MICROSECOND, EPOCH + end * MICROSECOND)
                compared = Compared(window, verdict, source_rows, lake_rows, datetime.fromtimestamp(at, UTC))
                kept.comparisons.setdefault(measurement, []).append(compared)
    except sqlite3.Error as error:
        remedy = "Where it is damaged, delete it: what it counted begins at 0, and nothing else is lost"
        raise StorageError(f"{path} cannot be read: {error}", remedy=remedy) from None
    return kept


class Journal:
    """Adds what a process does to the journal of a lake, every few seconds and at the end.

    Args:
        root: The lake's folder.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / FILE
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, str], float] = {}
        self._comparisons: dict[tuple[str, int, int], tuple[str, int, int, float] | None] = {}
        self._flushed = time.monotonic()

    def count(self, name: str, by: float, labels: dict[str, str]) -> None:
        """Add to a counter."""
        key = name, json.dumps(labels, sort_keys=True, ensure_ascii=False)
        with self._lock:
            self._counters[key] = self._counters.get(key, 0.0) + by
        self._flush_in_time()

    def compared(self, table: str, window: Window, verdict: str, source_rows: int, lake_rows: int) -> None:
        """Keep what a comparison came to."""
        with self._lock:
            self._comparisons[table, window.start_us, window.end_us] = verdict, source_rows, lake_rows, time.time()
        self._flush_in_time()

    def loaded(self, table: str, window: Window) -> None:
        """Forget what was found of a window that was loaded anew."""
        with self._lock:
            self._comparisons[table, window.start_us, window.end_us] = None
        self._flush_in_time()

    def flush(self, patience: float = _LOCK_SECONDS) -> None:
        """Write what is not written yet; where that is not possible now, it stays for the next time.

        Args:
            patience: The longest wait for another process that writes, in seconds.
        """
        with self._lock:
            self._flushed = time.monotonic()
            if not (self._counters or self._comparisons):
                return
            try:
                make_private(self._path.parent)
                with closing(_connected(self._path, patience)) as database, database:
                    database.executescript(_SCHEMA)
                    self._write(database)
            except (OSError, sqlite3.Error) as error:
                # Metrics must not fail a load.
                log.warning("what this process does could not be counted in %s: %s", self._path, error)
            else:
                self._counters.clear()
                self._comparisons.clear()

    def _flush_in_time(self) -> None:
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def _write(self, database: sqlite3.Connection) -> None:
        database.execute("begin immediate")
        database.executemany(
            "insert into counters values (?, ?, ?)"
            " on conflict (name, labels) do update set value = value + excluded.value",
            [(*key, value) for key, value in self._counters.items()],
        )
        # A load invalidates all comparisons in its time, also of windows of another scheme.
        database.executemany(
            "delete from comparisons where measurement = ? and start_us >= ? and end_us <= ?", list(self._comparisons)
        )
        database.executemany(
            "insert or replace into comparisons values (?, ?, ?, ?, ?, ?, ?)",
            [(*key, *value) for key, value in self._comparisons.items() if value is not None],
        )
        # Of equal windows only the newest is kept.
        database.executemany(
            "delete from comparisons where measurement = ? and verdict = 'equal' and end_us <"
            " (select max(end_us) from comparisons as other where other.measurement = comparisons.measurement)",
            [(name,) for name in {key[0] for key in self._comparisons}],
        )


@contextmanager
def recording(root: Path) -> Iterator[None]:
    """Keep what is done in the context in the journal of a lake.

    Args:
        root: The lake's folder.
    """
    journal = Journal(root)
    try:
        with recorded_by(journal):
            yield
    finally:
        journal.flush(_LAST_LOCK_SECONDS)


def _connected(path: Path, patience: float = _LOCK_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=patience, isolation_level=None)


def _labels(text: str) -> Labels:
    found: dict[str, str] = json.loads(text)
    return tuple(sorted(found.items()))
