"""Plans the due windows of many measurements at short intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.replication.planning.due import DueWindow, due_windows

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

CPU_SECONDS = 1.0
"""The CPU time of a pass over the tables after the first one, in seconds; the next pass continues with the others."""
LOOKS = 10
"""Within how many passes each complete table is read again, where a catalog does not list changed tables."""
SECONDS = 5.0
"""How long a pass waits for a catalog while reading complete tables, in seconds."""
_GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class _Held:
    """The coverage of a table when it was read.

    Attributes:
        coverage: The coverage.
        metadata_file: The metadata file; None where there was no table.
    """

    coverage: Coverage
    metadata_file: str | None


@dataclass(slots=True)
class Planner:
    """Finds due windows, and remembers coverage, so that a complete table is not read each time.

    Another tool may remove rows of such a table, so it is read again when its metadata file changes. A SQL catalog
    lists the metadata files of all tables in one query; with other catalogs each table is read again within `LOOKS`
    passes.

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

        Reads the metadata of a table for each measurement that has due windows, is new, or whose table changed. Where
        that takes too long, it stops, and the next call continues.

        Args:
            catalog: The catalog.
            measurements: The measurements.
            now: The present.
            skip: Whether to leave out a window, because a run loads it already.

        Raises:
            CatalogError: A table cannot be read.
        """
        complete = dict[tuple[str, ...], Measurement]()
        found: list[DueWindow] = []
        count, began = len(measurements), None
        first = _somewhere(count, now) if self._next is None else self._next % max(count, 1)
        for place, measurement in enumerate((*measurements[first:], *measurements[:first]), start=1):
            held = self._held.get(measurement.path)
            if held is not None and not due_windows(measurement, held.coverage, now, limit=1, skip=skip):
                complete[measurement.path] = measurement
            else:
                found += self._read(catalog, measurement, now, skip)
            # The first one does not count: with it a new process imports and connects.
            began = began or time.thread_time()
            self.left = count - place
            if self.left and time.thread_time() - began > self.cpu_seconds:
                self._next = first + place
                break
        began, until = time.thread_time(), time.monotonic() + SECONDS
        for identifier in self._changed(catalog, complete):
            found += self._read(catalog, complete[identifier], now, skip)
            if time.thread_time() - began > self.cpu_seconds or time.monotonic() > until:
                break
        return found

    def _read(
        self, catalog: Catalog, measurement: Measurement, now: datetime, skip: Callable[[DueWindow], bool]
    ) -> list[DueWindow]:
        from influx_lake.iceberg.scan.reader import find_table

        table = find_table(catalog, measurement.identifier, measurement.share)
        held = _Held(table_state(table).coverage, table.metadata_location if table else None)
        self._held.pop(measurement.path, None)
        self._held[measurement.path] = held
        limit = self.windows * measurement.windows_per_run
        return due_windows(measurement, held.coverage, now, limit=limit, skip=skip)

    def _changed(self, catalog: Catalog, complete: Container[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
        """The tables to read again, of those that are known to be complete; longest known first."""
        from influx_lake.iceberg.catalogs.opening import ListsMetadataFiles

        known = {identifier: held for identifier, held in self._held.items() if identifier in complete}
        if not isinstance(catalog, ListsMetadataFiles):
            yield from islice(known, -(-len(known) // LOOKS))
            return
        files = catalog.metadata_files() if known else {}
        for (*namespace, name), held in known.items():
            if files.get((".".join(namespace), name)) != held.metadata_file:
                yield (*namespace, name)


def _somewhere(count: int, now: datetime) -> int:
    """The start of a process that does not know where the last one ended: Dagster's daemon may use a new process for
    each pass. The golden ratio puts each minute's start far from those before, so that all measurements get their turn.
    """
    return int(now.timestamp() // 60 * _GOLDEN_RATIO % 1 * count)
