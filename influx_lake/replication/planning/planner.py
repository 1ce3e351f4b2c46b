"""Plans the due windows of many measurements at short intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.replication.planning.due import DueWindow, due_windows, newest_closed, next_due

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from influx_lake.iceberg.table_state.coverage import Coverage

CPU_SECONDS = 0.4
"""The CPU time of a pass over the tables after the first one, in seconds: about a thousand tables of a SQL catalog. The
next pass continues with the others.
"""
LOOKS = 10
"""Within how many passes each complete table is read again, where a catalog does not list changed tables."""
SECONDS = 5.0
"""How long a pass waits for a catalog while reading complete tables, in seconds."""
_NEWEST = 2
"""The newest due windows tell what is due first: the one that just closed, and the newest of those missed before it."""
_GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(slots=True)
class _Held:
    """The coverage of a table when it was read.

    Attributes:
        coverage: The coverage.
        metadata_file: The metadata file; None where there was no table.
        idle_until: Until when no window is due while the table does not change; None: not known.
    """

    coverage: Coverage
    metadata_file: str | None
    idle_until: datetime | None = None


@dataclass(slots=True)
class Planner:
    """Finds due windows, and remembers coverage, so that only tables that changed are read.

    A SQL catalog lists the metadata files of all tables in one query: a table is read where its file is another one.
    With other catalogs, tables with due windows are read each time, and complete ones within `LOOKS` passes, since
    another tool may remove rows.

    Attributes:
        windows: The most windows found for a measurement, as a multiple of the windows in a run; at least two.
        cpu_seconds: The CPU time of a pass, in seconds.
        left: How many measurements the last pass did not reach.
    """

    windows: int = 4
    cpu_seconds: float = CPU_SECONDS
    left: int = 0
    _next: int | None = None
    # The table that was read longest ago comes first.
    _held: dict[tuple[str, ...], _Held] = field(default_factory=dict)

    def due(
        self,
        catalog: Catalog,
        measurements: Sequence[Measurement],
        now: datetime,
        skip: Callable[[DueWindow], bool] = lambda due: False,
        room: int | None = None,
    ) -> list[DueWindow]:
        """The due windows, the newest first for each measurement.

        A pass that takes too long stops, and the next call continues.

        Args:
            catalog: The catalog.
            measurements: The measurements.
            now: The present.
            skip: Whether to leave out a window, because a run loads it already.
            room: Of how many measurements more than the two newest windows are wanted: those with the newest ones;
                None: of all.

        Raises:
            CatalogError: A table cannot be read.
        """
        files = _files(catalog)
        complete = dict[tuple[str, ...], Measurement]()
        found: list[list[DueWindow]] = []
        count, began = len(measurements), None
        first = _somewhere(count, now) if self._next is None else self._next % max(count, 1)
        for place, measurement in enumerate((*measurements[first:], *measurements[:first]), start=1):
            held = self._held.get(measurement.path)
            due = self._due_of(measurement, held, now, skip) if held is not None else []
            file = files.get(_place(measurement)) if files is not None else None
            if files is not None and file is None:
                due = self._held_of(None, measurement, now, skip)
            elif held is None or (files is not None and file != held.metadata_file):
                due = self._read(catalog, measurement, now, skip)
            elif files is None and due:
                # Perhaps they were loaded meanwhile.
                due = self._read(catalog, measurement, now, skip)
            elif files is None:
                complete[measurement.path] = measurement
            found.append(due)
            # The first one does not count: with it a new process imports and connects.
            began = began or time.thread_time()
            self.left = count - place
            if self.left and time.thread_time() - began > self.cpu_seconds:
                self._next = first + place
                break
        began, until = time.thread_time(), time.monotonic() + SECONDS
        longest_known = [path for path in self._held if path in complete]
        for path in longest_known[: -(-len(longest_known) // LOOKS)]:
            found.append(self._read(catalog, complete[path], now, skip))
            if time.thread_time() - began > self.cpu_seconds or time.monotonic() > until:
                break
        return self._with_more(found, now, skip, room)

    def _with_more(
        self, found: Sequence[list[DueWindow]], now: datetime, skip: Callable[[DueWindow], bool], room: int | None
    ) -> list[DueWindow]:
        """The windows found, and more of the measurements with the newest of those that were missed."""
        several = (due for due in found if len(due) == _NEWEST)
        with_more = sorted(several, key=lambda due: _missed_until(due, now), reverse=True)[:room]
        # Where few need any, each may have several runs at once.
        runs = self.windows if room is None else min(self.windows, -(-room // max(len(with_more), 1)))
        more = {id(due): runs * due[0].measurement.windows_per_run for due in with_more}
        return [each for due in found for each in self._up_to(due, more.get(id(due), _NEWEST), now, skip)]

    def _up_to(
        self, due: list[DueWindow], limit: int, now: datetime, skip: Callable[[DueWindow], bool]
    ) -> list[DueWindow]:
        if limit <= _NEWEST:
            return due
        measurement = due[0].measurement
        return self._due_of(measurement, self._held[measurement.path], now, skip, limit)

    def _read(
        self, catalog: Catalog, measurement: Measurement, now: datetime, skip: Callable[[DueWindow], bool]
    ) -> list[DueWindow]:
        from influx_lake.iceberg.scan.reader import find_table

        table = find_table(catalog, measurement.identifier, measurement.share)
        return self._held_of(table, measurement, now, skip)

    def _held_of(
        self, table: Table | None, measurement: Measurement, now: datetime, skip: Callable[[DueWindow], bool]
    ) -> list[DueWindow]:
        from influx_lake.iceberg.table_state import table_state

        self._held.pop(measurement.path, None)
        held = _Held(table_state(table).coverage, table.metadata_location if table else None)
        self._held[measurement.path] = held
        return self._due_of(measurement, held, now, skip)

    def _due_of(
        self,
        measurement: Measurement,
        held: _Held,
        now: datetime,
        skip: Callable[[DueWindow], bool],
        limit: int = _NEWEST,
    ) -> list[DueWindow]:
        if held.idle_until is not None and now < held.idle_until:
            return []
        found = due_windows(measurement, held.coverage, now, limit=limit, skip=skip)
        if not found and not due_windows(measurement, held.coverage, now, limit=1):
            held.idle_until = next_due(measurement, now)
        return found


def _missed_until(due: Sequence[DueWindow], now: datetime) -> datetime:
    """The end of the newest window that did not just close, of the two newest ones that are due."""
    newest, next_one = due
    return (next_one if newest.window == newest_closed(newest.measurement, now) else newest).window.end


def _files(catalog: Catalog) -> dict[tuple[str, str], str] | None:
    """The newest metadata file of each table; None where the catalog does not list them."""
    from influx_lake.iceberg.catalogs.opening import ListsMetadataFiles

    return catalog.metadata_files() if isinstance(catalog, ListsMetadataFiles) else None


def _place(measurement: Measurement) -> tuple[str, str]:
    return ".".join(measurement.namespace), measurement.table


def _somewhere(count: int, now: datetime) -> int:
    """The start of a process that does not know where the last one ended: Dagster's daemon may use a new process for
    each pass. The golden ratio puts each minute's start far from those before, so that all measurements get their turn.
    """
    return int(now.timestamp() // 60 * _GOLDEN_RATIO % 1 * count)
