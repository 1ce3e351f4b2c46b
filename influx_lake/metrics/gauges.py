"""The state of a lake's tables for gauges, read from table metadata incrementally and cached."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.windows import Scheme, Window, merged
from influx_lake.errors import LakeError
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.iceberg.proofs.valid_proofs import current_proofs
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.totals import Totals, totals_of
from influx_lake.maintenance.tables import MaintainedTable, tables_of
from influx_lake.replication.overview import due_counter
from influx_lake.replication.planning.due import count_due_windows
from influx_lake.replication.streams.ledger import Ledger, ledger_in, ledger_target, streams_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

log = logging.getLogger("influx_lake.metrics")


@dataclass(frozen=True, slots=True)
class MeasurementFigures:
    """The counts of a measurement's windows.

    Attributes:
        due: The number of due windows.
        missing: How many of them are not loaded.
        newest: The end of the coverage.
        proved: The number of proved windows, without off-loaded ones.
        offloaded: The number of off-loaded windows.
    """

    measurement: Measurement
    due: int
    missing: int
    newest: datetime | None
    proved: int = 0
    offloaded: int = 0


@dataclass(frozen=True, slots=True)
class TableFigures:
    """The figures of a table, from its metadata.

    Attributes:
        table: The table.
        totals: The totals of all loads.
        current: The summary of its current snapshot: Iceberg's `total-records` and the like.
        snapshots: The number of its snapshots.
        committed_at: When its current snapshot was committed.
        measurements: The counts of its measurements; empty for a roll-up or quarantine.
    """

    table: MaintainedTable
    totals: Totals = field(default_factory=Totals)
    current: dict[str, int] = field(default_factory=dict)
    snapshots: int = 0
    committed_at: datetime | None = None
    measurements: tuple[MeasurementFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class _WindowCounter:
    """Counts windows, with a cache that measurements of the same scheme share.

    Attributes:
        due: The due windows of a scheme since a time.
        windows: The windows of a scheme that overlap an interval.
    """

    due: Callable[[Scheme, timedelta, datetime], int]
    windows: Callable[[Scheme, Window], int]


@dataclass(slots=True)
class LakeFigures:
    """The figures of all tables of a lake, updated by `refresh`.

    Attributes:
        lake: Returns the lake, as it is now.
        open_catalog: Opens its catalog.
        tables: The figures by table name.
        is_up: Whether the catalog answered last time.
        unreadable: The tables that could not be read last time.
        streams: What is known of the streams that ever ran, by name.
        seconds: The duration of the last update.
    """

    lake: Callable[[], Lake]
    open_catalog: Callable[[], Catalog]
    tables: dict[str, TableFigures] = field(default_factory=dict)
    is_up: bool = False
    unreadable: set[str] = field(default_factory=set)
    streams: dict[str, Ledger] = field(default_factory=dict)
    seconds: float = 0.0
    _read_at: dict[str, float] = field(default_factory=dict)
    _catalog: Catalog | None = None

    @property
    def age(self) -> float:
        """The age of the oldest figures, in seconds."""
        oldest = min((self._read_at.get(name, 0.0) for name in self.tables), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    def refresh(self, seconds: float | None = None) -> None:
        """Read tables again, oldest figures first; at least one.

        Where the catalog or a table cannot be read, the cached figures stay.

        Args:
            seconds: The time limit; default: until all are read.
        """
        began, now = time.monotonic(), datetime.now(UTC)
        counting = _WindowCounter(due_counter(now), cache(_count))
        self.is_up = True
        declared = tables_of(self.lake())
        self._forget({each.name for each in declared})
        for table in sorted(declared, key=lambda each: self._read_at.get(each.name, 0.0)):
            try:
                self.tables[table.name] = self._read(table, now, counting)
                self.unreadable.discard(table.name)
            except LakeError as error:
                if error.transient or self._catalog is None:
                    log.warning("the catalog cannot be read for metrics: %s", error)
                    self.is_up, self._catalog = False, None
                    break
                log.warning("the figures of %s cannot be read: %s", table.name, error)
                self.unreadable.add(table.name)
            self._read_at[table.name] = time.monotonic()
            if seconds is not None and time.monotonic() - began >= seconds:
                break
        if self.is_up:
            self._read_streams()
        self.seconds = time.monotonic() - began

    def _read_streams(self) -> None:
        """Read how far the streams are; where that cannot be read, what was known stays."""
        streams = streams_of(self.lake())
        self.streams = {name: known for name, known in self.streams.items() if name in streams}
        for name, config in streams.items():
            if self._catalog is None:
                self._catalog = self.open_catalog()
            try:
                table = find_table(self._catalog, ledger_target(config, name).identifier)
            except LakeError as error:
                log.warning("how far the stream %s is cannot be read: %s", name, error)
                continue
            if table is not None and (ledger := ledger_in(table, name)) is not None:
                self.streams[name] = ledger

    def _forget(self, declared: set[str]) -> None:
        """Drop the figures of tables that the lake no longer declares."""
        for name in self.tables.keys() - declared:
            del self.tables[name]
        self.unreadable &= declared

    def _read(self, table: MaintainedTable, now: datetime, counting: _WindowCounter) -> TableFigures:
        if self._catalog is None:
            self._catalog = self.open_catalog()
        table_now = find_table(self._catalog, table.target.identifier)
        is_own = table.rollup is None and not table.is_quarantine
        sharing = table.measurements if is_own else ()
        measurements = tuple(_measured(each, table_now, now, counting) for each in sharing)
        if table_now is None:
            return TableFigures(table, measurements=measurements)
        snapshot = table_now.current_snapshot()
        summary = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
        return TableFigures(
            table,
            totals_of(table_now.metadata),
            {name: int(value) for name, value in summary.items() if name.startswith("total-") and value.isdecimal()},
            len(table_now.metadata.snapshots),
            datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) if snapshot else None,
            measurements,
        )


def _count(scheme: Scheme, window: Window) -> int:
    return sum(1 for _ in scheme.windows(window.start, window.end))


def _measured(
    measurement: Measurement,
    table: Table | None,
    now: datetime,
    counting: _WindowCounter,
) -> MeasurementFigures:
    known = None if table is None else as_known(table, share=measurement.share)
    coverage, gone = table_state(known).coverage, merged(each.window for each in offloaded_from(known))
    proved = Coverage(current_proofs(known).valid).losing(gone).intervals
    return MeasurementFigures(
        measurement,
        counting.due(measurement.scheme, measurement.lag, measurement.kept_since(now)),
        count_due_windows(measurement, coverage, now, counting.windows),
        coverage.newest,
        sum(_whole_windows(measurement.scheme, part) for part in proved),
        sum(_whole_windows(measurement.scheme, part) for part in gone),
    )


def _whole_windows(scheme: Scheme, part: Window) -> int:
    """The number of windows that lie wholly within an interval."""
    return sum(part.contains(window) for window in scheme.windows(part.start, part.end))
