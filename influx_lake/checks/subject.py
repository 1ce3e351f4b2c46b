"""The subject of checks: some loaded windows of a measurement, with lazy access to table and source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import MICROSECOND as _INSTANT
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import TableState, table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.target import TableTarget
from influx_lake.replication.changes.change import Change
from influx_lake.replication.foreign_changes import ForeignChanges, foreign_changes
from influx_lake.replication.removed.erased import without_erased_from
from influx_lake.replication.table_columns import table_target

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from influx_lake.sources.protocol import Source
from influx_lake.transforms import transformed

NEWEST = 3
"""The number of newest windows checked by default."""

Means = Mapping[Window, Mapping[str, float]]
"""Means of columns by window."""


@dataclass
class Subject:
    """Some loaded windows of a measurement. Table and source are read when a check needs them.

    Attributes:
        catalog: The catalog of its table.
        open_source: Opens its source.
        now: The present.
        requested: The windows to check; empty for the newest loaded ones.
        known_means: Returns the means that earlier checks recorded, by window, newest first.
        pending: Returns the changes that sources reported and that are not loaded yet.
        is_coming: Whether a run is loading a window, or will.
    """

    measurement: Measurement
    catalog: Catalog
    open_source: Callable[[], Source]
    now: datetime
    requested: Sequence[Window] = ()
    known_means: Callable[[], Means] = dict
    pending: Callable[[], Sequence[Change]] = tuple
    is_coming: Callable[[Window], bool] = lambda window: False

    @cached_property
    def source(self) -> Source:
        return transformed(self.open_source(), without_erased_from(self.measurement, self.table))

    @cached_property
    def schema(self) -> MeasurementSchema:
        """The measurement's columns, as the source declares them now."""
        return self.source.schema(self.measurement.name)

    @cached_property
    def target(self) -> TableTarget:
        """The `TableTarget` for the measurement's loads."""
        return table_target(self.measurement, self.schema)

    @cached_property
    def table(self) -> Table | None:
        """The measurement's table; None before its first load."""
        return find_table(self.catalog, self.measurement.identifier, self.measurement.share)

    @cached_property
    def state(self) -> TableState:
        """What the table records about its loads."""
        return table_state(self.table)

    @property
    def coverage(self) -> Coverage:
        """The coverage of the measurement."""
        return self.state.coverage

    @cached_property
    def others(self) -> ForeignChanges:
        """The foreign changes since the last load."""
        return foreign_changes(self.measurement, self.state, self.now)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The windows to check, oldest first: the loaded parts of those asked for."""
        requested = self.requested or self._newest()
        return tuple(part for window in sorted(requested) for part in self._loaded(window))

    @property
    def span(self) -> str:
        """The interval from the first window's start to the last one's end."""
        return f"{Window(self.windows[0].start, self.windows[-1].end)}" if self.windows else "none"

    def about(self, message: str) -> str:
        """A message with measurement and window before it."""
        subject = f"measurement {self.measurement.name}"
        return f"{subject}, window {self.span}: {message}" if self.windows else f"{subject}: {message}"

    def before(self, window: Window, count: int) -> list[Window]:
        """Up to `count` loaded windows before a given one, newest first."""
        if not self.coverage.intervals:
            return []
        earlier = self.measurement.scheme.windows_back(self.coverage.intervals[0].start, window.start)
        return list(islice(filter(self.coverage.holds, earlier), count))

    def _newest(self) -> list[Window]:
        if not self.coverage.intervals:
            return []
        scheme = self.measurement.scheme
        current = scheme.window_at(self.coverage.intervals[-1].end - _INSTANT)
        return [current, *self.before(current, NEWEST - 1)]

    def _loaded(self, window: Window) -> list[Window]:
        """The loaded parts of a window."""
        overlapping = (part for part in self.coverage.intervals if part.overlaps(window))
        return [Window(max(part.start, window.start), min(part.end, window.end)) for part in overlapping]
