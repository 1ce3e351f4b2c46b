"""What is due of many measurements, asked again and again."""

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
"""How long one look at the tables may take, after the first one: with more of them, the next look goes on there."""
LOOKS = 10
"""Within how many looks each table is read anew that has everything, where a catalog does not list what changed."""
SECONDS = 5.0
"""How long one look waits for a catalog to read those."""
_GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class _Held:
    """What a table held when it was read.

    Attributes:
        coverage: The time.
        metadata_file: What said so; None where there was no table.
    """

    coverage: Coverage
    metadata_file: str | None


@dataclass(slots=True)
class Planner:
    """Finds what is due, and remembers what tables held, so that a table which has everything is not read each time.

    Somebody may take rows of such a table: it is read again when its metadata file is another. A SQL catalog tells that
    of all tables in one query; where a catalog does not, each is read again within `LOOKS` looks.

    Attributes:
        windows: How many windows of a measurement are found at most, for each window that a run of it takes.
        cpu_seconds: How long one look may take.
        left: How many measurements the last look did not come to.
    """

    windows: int = 4
    cpu_seconds: float = CPU_SECONDS
    left: int = 0
    _next: int | None = None
    # The one that was read longest ago comes first.
    _held: dict[tuple[str, ...], _Held] = field(default_factory=dict)

    def due(
        self,
        catalog: Catalog,
        measurements: Sequence[Measurement],
        now: datetime,
        skip: Callable[[DueWindow], bool] = lambda due: False,
    ) -> list[DueWindow]:
        """The windows that are due, of each measurement the newest first.

        Reads the metadata of one table for each measurement that has something due, was not asked about yet, or whose
        table changed; where that takes too long, only of some measurements, and of the others the next time.

        Args:
            catalog: The catalog.
            measurements: The measurements.
            now: The present.
            skip: Which windows to leave out, because somebody loads them already.

        Raises:
            CatalogError: The catalog cannot tell what a table holds.
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
            # With the first one, a new process imports and connects.
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
        """Of some tables that have everything, as far as is known, those to be read again; longest known first."""
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
    """Where a process begins that does not know where the last one ended: Dagster's daemon may have a new one for each
    look. The golden ratio puts each minute's place far from those before, so that all get their turn.
    """
    return int(now.timestamp() // 60 * _GOLDEN_RATIO % 1 * count)
