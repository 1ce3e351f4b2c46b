"""A measurement: schema, rows waiting to be merged, and runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from influx_lake.sandbox.storage.columns import TIME, Kind, arrow_schema, conform
from influx_lake.sandbox.storage.merge import Run, distinct, merge_into

_PENDING_LIMIT = 1024


class RunFiles(Protocol):
    """Where a measurement keeps its runs on disk."""

    def read(self, run: Run) -> pa.Table:
        """Read the rows of a run that has a file."""

    def save(self, columns: Mapping[str, Kind], runs: Sequence[Run], applied: int) -> list[Run]:
        """Make these runs durable, replacing what was there, and return them as files."""

    def remove(self) -> None:
        """Forget everything."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows that were written and not yet merged."""

    rows: pa.Table
    sequence: int
    visible_at: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a query sees of a measurement. It keeps the files that it names alive."""

    schema: pa.Schema
    runs: tuple[Run, ...]


class Table:
    """A measurement. All methods may be called from several threads."""

    def __init__(
        self,
        name: str,
        clock: Callable[[], float],
        files: RunFiles | None = None,
        first_wins: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.columns: dict[str, Kind] = {TIME: Kind.TIME}
        self.applied = 0
        self.lock = threading.RLock()
        self._clock = clock
        self.files = files
        self._first_wins = first_wins
        self._pending: list[Pending] = []
        self._runs: list[Run] = []
        self._schema = arrow_schema(name, self.columns)

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    @property
    def rows(self) -> int:
        """Rows stored; waiting ones are merged first."""
        return sum(run.rows for run in self.snapshot().runs)

    def restore(self, columns: Mapping[str, Kind], runs: Sequence[Run], applied: int) -> None:
        """Take over what was found on disk."""
        self.columns = dict(columns)
        self._schema = arrow_schema(self.name, columns)
        self._runs = list(runs)
        self.applied = applied

    def append(self, rows: pa.Table, columns: Mapping[str, Kind], sequence: int, visible_at: float = 0.0) -> None:
        """Take in rows of a write; the columns are those of the measurement from now on."""
        with self.lock:
            self.widen(columns)
            self._pending.append(Pending(rows, sequence, visible_at))
            if len(self._pending) >= _PENDING_LIMIT:
                self._settle(self._visible())

    def widen(self, columns: Mapping[str, Kind]) -> None:
        """Add the columns that are new."""
        with self.lock:
            if columns.keys() - self.columns.keys():
                self.columns = {**self.columns, **columns}
                self._schema = arrow_schema(self.name, self.columns)

    def snapshot(self) -> Snapshot:
        """The rows as a query sees them now.

        While values that were persisted first win, those that wait are shown, and wait on.
        """
        with self.lock:
            if self._first_wins():
                return Snapshot(self._schema, tuple(self._merged(self._visible())))
            self._settle(self._visible())
            return Snapshot(self._schema, tuple(self._runs))

    def persist(self) -> None:
        """Merge everything that was written and make it durable."""
        with self.lock:
            self._settle(len(self._pending), durable=True)

    def take_over(self, other: Table) -> None:
        """Hold another table's rows from now on, durable where it has a folder."""
        with other.lock, self.lock:
            self.restore(other.columns, other.snapshot().runs, other.applied)
            if self.files is not None:
                self._runs = self.files.save(self.columns, self._runs, self.applied)

    def remove(self) -> None:
        with self.lock:
            self._pending.clear()
            self._runs.clear()
            if self.files is not None:
                self.files.remove()

    def _visible(self) -> int:
        now = self._clock()
        return next((index for index, one in enumerate(self._pending) if one.visible_at > now), len(self._pending))

    def _settle(self, count: int, durable: bool = False) -> None:
        """Merge the oldest waiting rows for good; on disk, too, when they change a run that is a file."""
        if count:
            filed = {id(run) for run in self._runs if run.path is not None}
            self._runs = self._merged(count, newest_wins=not self._first_wins())
            self.applied = max(self.applied, *(one.sequence for one in self._pending[:count]))
            del self._pending[:count]
            durable |= not filed <= {id(run) for run in self._runs}
        if durable and self.files is not None and any(run.path is None for run in self._runs):
            self._runs = self.files.save(self.columns, self._runs, self.applied)

    def _merged(self, count: int, newest_wins: bool = True) -> list[Run]:
        if not count:
            return self._runs
        waiting = pa.concat_tables([conform(one.rows, self._schema) for one in self._pending[:count]])
        if newest_wins:
            return merge_into(self._runs, distinct(waiting), self._schema, self._read)
        return merge_into([], self._older_wins(waiting), self._schema, self._read)

    def _older_wins(self, waiting: pa.Table) -> pa.Table:
        stored = [conform(self._read(run), self._schema) for run in self._runs]
        return distinct(pa.concat_tables([distinct(waiting), *stored]))

    def _read(self, run: Run) -> pa.Table:
        if run.table is not None:
            return run.table
        assert self.files is not None
        return self.files.read(run)
