"""Plans the due windows of many measurements at short intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.replication.planning.due import DueWindow, due_windows, next_due

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from influx_lake.iceberg.table_state.coverage import Coverage

CPU_SECONDS = 0.7
"""The CPU time of a pass over the tables after the first one, in seconds; the next pass continues with the others."""
LOOKS = 10
"""Within how many passes each complete table is read again, where a catalog does not list changed tables."""
SECONDS = 5.0
"""How long a pass waits for a catalog while reading complete tables, in seconds."""
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
        windows: The most windows found for a measurement, as a multiple of the windows in a run.
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
    ) -> list[DueWindow]:
        """The due windows, the newest first for each measurement.

        A pass that takes too long stops, and the next call continues.

        Args:
            catalog: The catalog.
            measurements: The measurements.
            now: The present.
            skip: Whether to leave out a window, because a run loads it already.

        Raises:
            CatalogError: A table cannot be read.
        """
        files = _files(catalog)
        complete = dict[tuple[str, ...], Measurement]()
        found: list[DueWindow] = []
        count, began = len(measurements), None
        first = _somewhere(count, now) if self._next is None else self._next % max(count, 1)
        for place, measurement in enumerate((*measurements[first:], *measurements[:first]), start=1):
            held = self._held.get(measurement.path)
            due = self._due_of(measurement, held, now, skip) if held is not None else []
            if held is None or (files is not None and files.get(_place(measurement)) != held.metadata_file):
                due = self._read(catalog, measurement, now, skip)
            elif files is None and due:
                # Perhaps they were loaded meanwhile.
                due = self._read(catalog, measurement, now, skip)
            elif files is None:
                complete[measurement.path] = measurement
            found += due
            # The first one does not count: with it a new process imports and connects.
            began = began or time.thread_time()
            self.left = count - place
            if self.left and time.thread_time() - began > self.cpu_seconds:
                self._next = first + place
                break
        began, until = time.thread_time(), time.monotonic() + SECONDS
        longest_known = [path for path in self._held if path in complete]
        for path in longest_known[: -(-len(longest_known) // LOOKS)]:
            found += self._read(catalog, complete[path], now, skip)
            if time.thread_time() - began > self.cpu_seconds or time.monotonic() > until:
                break
        return found

    def _read(
        self, catalog: Catalog, measurement: Measurement, now: datetime, skip: Callable[[DueWindow], bool]
    ) -> list[DueWindow]:
        from influx_lake.iceberg.scan.reader import find_table
        from influx_lake.iceberg.table_state import table_state

        table = find_table(catalog, measurement.identifier, measurement.share)
        self._held.pop(measurement.path, None)
        held = _Held(table_state(table).coverage, table.metadata_location if table else None)
        self._held[measurement.path] = held
        return self._due_of(measurement, held, now, skip)

    def _due_of(
        self, measurement: Measurement, held: _Held, now: datetime, skip: Callable[[DueWindow], bool]
    ) -> list[DueWindow]:
        if held.idle_until is not None and now < held.idle_until:
            return []
        limit = self.windows * measurement.windows_per_run
        found = due_windows(measurement, held.coverage, now, limit=limit, skip=skip)
        if not found and not due_windows(measurement, held.coverage, now, limit=1):
            held.idle_until = next_due(measurement, now)
        return found


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
