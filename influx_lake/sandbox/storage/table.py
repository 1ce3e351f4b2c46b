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
    """The files of a measurement's runs."""

    def read(self, run: Run) -> pa.Table:
        """Read the rows of a run in a file."""

    def save(self, columns: Mapping[str, Kind], runs: Sequence[Run], applied: int) -> list[Run]:
        """Make these runs durable, replacing the previous ones, and return them as files."""

    def remove(self) -> None:
        """Remove everything."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows that were written but not yet merged."""

    rows: pa.Table
    sequence: int
    visible_at: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A measurement as seen by a query. It keeps its files alive."""

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
        """The number of stored rows; waiting rows are merged first."""
        return sum(run.rows for run in self.snapshot().runs)

    def restore(self, columns: Mapping[str, Kind], runs: Sequence[Run], applied: int) -> None:
        """Set the contents found on disk."""
        self.columns = dict(columns)
        self._schema = arrow_schema(self.name, columns)
        self._runs = list(runs)
        self.applied = applied

    def append(self, rows: pa.Table, columns: Mapping[str, Kind], sequence: int, visible_at: float = 0.0) -> None:
        """Add the rows of a write, and their columns to the measurement."""
        with self.lock:
            self.widen(columns)
            self._pending.append(Pending(rows, sequence, visible_at))
            if len(self._pending) >= _PENDING_LIMIT:
                self._settle(self._visible())

    def widen(self, columns: Mapping[str, Kind]) -> None:
        """Add new columns."""
        with self.lock:
            if columns.keys() - self.columns.keys():
                self.columns = {**self.columns, **columns}
                self._schema = arrow_schema(self.name, self.columns)

    def snapshot(self) -> Snapshot:
        """The rows as seen by a query now.

        While values that were persisted first win, waiting rows are visible, but not yet merged.
        """
        with self.lock:
            if self._first_wins():
                return Snapshot(self._schema, tuple(self._merged(self._visible())))
            self._settle(self._visible())
            return Snapshot(self._schema, tuple(self._runs))

    def persist(self) -> None:
        """Merge all waiting rows and make them durable."""
        with self.lock:
            self._settle(len(self._pending), durable=True)

    def take_over(self, other: Table) -> None:
        """Take the rows of another table, durably if there is a folder."""
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
        """Merge the oldest waiting rows permanently; also on disk if they change a run in a file."""
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
