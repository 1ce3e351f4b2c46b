"""What is due of many measurements, asked again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.iceberg.coverage import Coverage
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.due import DueWindow, due_windows

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

CPU_SECONDS = 1.0
"""How long one look at the tables may take, after the first one: with more of them, the next look goes on there."""
_GOLDEN_RATIO = (5**0.5 - 1) / 2
REMEMBERED = timedelta(hours=1)
"""How long a table is believed to hold what it held: only somebody who drops or rolls back a table takes any of it."""


@dataclass(slots=True)
class Planner:
    """Finds what is due, and remembers what tables held, so that a table which has everything is not asked about.

    Attributes:
        windows: How many windows of a measurement are found at most, for each window that a run of it takes.
        cpu_seconds: How long one look may take.
        left: How many measurements the last look did not come to.
    """

    windows: int = 4
    cpu_seconds: float = CPU_SECONDS
    left: int = 0
    _next: int | None = None
    _held: dict[tuple[str, ...], Coverage] = field(default_factory=dict)
    _since: datetime | None = None

    def due(
        self,
        catalog: Catalog,
        measurements: Sequence[Measurement],
        now: datetime,
        skip: Callable[[DueWindow], bool] = lambda due: False,
    ) -> list[DueWindow]:
        """The windows that are due, of each measurement the newest first.

        Reads the metadata of one table for each measurement that has something due, or was not asked about lately;
        where that takes too long, only of some measurements, and of the others the next time.

        Args:
            catalog: The catalog.
            measurements: The measurements.
            now: The present.
            skip: Which windows to leave out, because somebody loads them already.

        Raises:
            CatalogError: The catalog cannot tell what a table holds.
        """
        if self._since is None or not timedelta(0) <= now - self._since < REMEMBERED:
            self._held, self._since = {}, now
        found: list[DueWindow] = []
        count, began = len(measurements), None
        first = _somewhere(count, now) if self._next is None else self._next % max(count, 1)
        for place, measurement in enumerate((*measurements[first:], *measurements[:first]), start=1):
            found += self._due(catalog, measurement, now, skip)
            # With the first one, a new process imports and connects.
            began = began or time.thread_time()
            self.left = count - place
            if self.left and time.thread_time() - began > self.cpu_seconds:
                self._next = first + place
                break
        return found

    def _due(
        self, catalog: Catalog, measurement: Measurement, now: datetime, skip: Callable[[DueWindow], bool]
    ) -> list[DueWindow]:
        from influx_lake.iceberg.reader import find_table

        limit = self.windows * measurement.windows_per_run
        held = self._held.get(measurement.identifier)
        if held is not None and not due_windows(measurement, held, now, limit=1, skip=skip):
            return []
        table = find_table(catalog, measurement.identifier)
        held = self._held[measurement.identifier] = table_state(table).coverage
        return due_windows(measurement, held, now, limit=limit, skip=skip)


def _somewhere(count: int, now: datetime) -> int:
    """Where a process begins that does not know where the last one ended: Dagster's daemon may have a new one for each
    look. The golden ratio puts each minute's place far from those before, so that all get their turn.
    """
    return int(now.timestamp() // 60 * _GOLDEN_RATIO % 1 * count)
