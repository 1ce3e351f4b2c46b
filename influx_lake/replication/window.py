"""One window of one measurement, from its source to its table."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from influx_lake.config import Measurement, column_name
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import ColumnsChanged, WindowInterrupted, naming
from influx_lake.iceberg.columns.timestamps import FineTimesMet
from influx_lake.iceberg.load.ensure import check_table
from influx_lake.iceberg.load.load_result import WindowCommit
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import Provenance
from influx_lake.iceberg.window_rows import Rows
from influx_lake.replication.foreign_changes import replacing, told_of
from influx_lake.replication.guards import LimitedRows
from influx_lake.replication.modes import Load
from influx_lake.replication.outside import tell_outside
from influx_lake.replication.recent_schema import RecentSchemas
from influx_lake.replication.table_columns import table_target
from influx_lake.replication.trusted_source import trusted_source
from influx_lake.sources.protocol import RowStream, Source

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

PROGRESS_SECONDS = 2.0
MOST_INTERRUPTIONS = 3

T = TypeVar("T")

log = logging.getLogger("influx_lake.replication")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a window is.

    Attributes:
        rows: Rows written so far.
        seconds: Time since the window was begun.
    """

    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What loading one window did.

    Attributes:
        measurement: The measurement.
        window: The window.
        schema: The measurement's columns as the source declared them; `commit.sources` has their names in the table.
        commit: What changed in the table.
        seconds: How long all of it took.
        read_seconds: How much of that was spent waiting for the source.
    """

    measurement: Measurement
    window: Window
    schema: MeasurementSchema
    commit: WindowCommit
    seconds: float
    read_seconds: float

    @property
    def rows(self) -> int:
        """How many rows the table holds for the window now."""
        return self.commit.rows

    @property
    def previous_rows(self) -> int:
        """How many it held before."""
        return self.commit.previous_rows

    @property
    def quarantined_rows(self) -> int:
        """How many rows went to the table's quarantine: the table has another type for a column of theirs."""
        return self.commit.quarantined_rows

    @property
    def empty(self) -> bool:
        """Whether the source has no rows for the window."""
        return self.commit.rows + self.commit.quarantined_rows == 0

    @property
    def files_added(self) -> int:
        return self.commit.files_added

    @property
    def bytes_written(self) -> int:
        return self.commit.bytes_written

    @property
    def snapshot_id(self) -> int:
        return self.commit.snapshot_id

    @property
    def first_time(self) -> datetime | None:
        """The time of the window's first row."""
        return self.commit.first_time

    @property
    def last_time(self) -> datetime | None:
        """The time of its last row."""
        return self.commit.last_time

    @property
    def write_seconds(self) -> float:
        """How much of the time was spent writing and committing."""
        return self.seconds - self.read_seconds

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def table_name(self) -> str:
        return self.measurement.table_name

    @property
    def table_location(self) -> str:
        return str(self.commit.table.location())

    @property
    def preview(self) -> pa.Table:
        """The window's first rows, ten at most."""
        return self.commit.preview


def replicate_window(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    window: Window,
    *,
    run_id: str,
    declared: Sequence[str] = (),
    schemas: RecentSchemas | None = None,
    archive: Source | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> WindowResult:
    """Load one window of a measurement, as its `write.mode` says: by default, afterwards the table holds exactly the
    source's rows for it.

    Doing it again, after a crash or from two processes, leaves the same rows. Of a window that has not been closed for
    the measurement's lag, only what lies before now, less the lag, counts as loaded: it stays due.

    Args:
        source: The source of the window.
        catalog: The catalog of its table.
        measurement: The measurement.
        window: The window.
        run_id: Who does it; kept in the snapshot.
        declared: The identities of the sources that the measurement has, its own first, where there are several.
        schemas: Tells the measurement's columns, where several windows are loaded one after the other; without it the
            source is asked.
        archive: What the source's server has persisted, which tells what was written last.
        on_progress: Told every few seconds how far the window is.

    Raises:
        LakeError: Of the class that says what can be done about it, naming measurement and window; the table is as it
            was.
    """
    began, now, waited = time.monotonic(), datetime.now(UTC), Waited()
    with naming(measurement.name, window):
        trusted = trusted_source(source, catalog, measurement, window, archive)
        origin = trusted.source
        schema = (schemas if schemas and origin is source else origin).schema(measurement.name)
        on_rows = _reporter(on_progress, began) if on_progress else lambda rows: None
        load = load_of(
            origin,
            catalog,
            measurement,
            schema,
            run_id=run_id,
            waited=waited,
            now=now,
            declared=declared,
            on_rows=on_rows,
            keeping=trusted.keeping,
        )
        commit = from_the_beginning(load, lambda load: load.run(window))
        tell_outside(source, measurement, now)
        _tell_others(commit, measurement, window)
    return WindowResult(measurement, window, schema, commit, time.monotonic() - began, waited.seconds)


def _tell_others(commit: WindowCommit, measurement: Measurement, window: Window) -> None:
    """Say that rows of others may be in a window after its load, which left them there."""
    others = table_state(commit.table).others_in(window)
    if others is not None:
        log.warning(
            "%s: others added rows to %s, and this load left them there: %s. To have the source's rows alone: %s",
            measurement.table_name,
            window,
            told_of(others),
            replacing(measurement, window.start, window.end),
        )


def load_of(
    source: Source,
    catalog: Catalog,
    measurement: Measurement,
    schema: MeasurementSchema,
    *,
    run_id: str,
    waited: Waited,
    now: datetime,
    declared: Sequence[str] = (),
    on_rows: Callable[[int], None] = lambda rows: None,
    keeping: Callable[[RowStream], RowStream] = lambda rows: rows,
) -> Load:
    """What loads windows of a measurement.

    Args:
        source: The measurement's source.
        catalog: The catalog of its table.
        measurement: The measurement.
        schema: Its columns, as the source has them now.
        run_id: Who does it; kept in the snapshot.
        waited: Told how long the source was waited for.
        now: The present.
        declared: The identities of the sources that the measurement has, its own first, where there are several.
        on_rows: Told how many rows were written so far.
        keeping: Keeps values of the table that are not to be replaced.
    """
    target = table_target(measurement, schema)
    provenance = Provenance(source.identity, run_id, measurement.adopt, tuple(declared))
    names = [column_name(column.name, measurement.types.column_names) for column in schema.columns]

    @contextmanager
    def read(part: Window) -> Iterator[Rows]:
        check_table(catalog, target, names, provenance)
        opened = time.monotonic()
        with source.read(schema, part) as stream:
            waited.seconds += time.monotonic() - opened
            yield LimitedRows(keeping(_TimedRows(stream, waited)), measurement)

    return Load(
        catalog=catalog,
        measurement=measurement,
        target=target,
        provenance=provenance,
        read=read,
        on_rows=on_rows,
        now=now,
    )


def from_the_beginning(load: Load, work: Callable[[Load], T]) -> T:
    """Load, from the beginning again where what was written of a window cannot be the whole."""
    interruptions = 0
    while True:
        try:
            return work(load)
        except FineTimesMet:
            # Once in a table's life: the rows before the first fine one are to hold their nanoseconds too.
            load = replace(load, target=replace(load.target, with_nanoseconds=True))
        except (WindowInterrupted, ColumnsChanged) as error:
            interruptions += 1
            if interruptions > MOST_INTERRUPTIONS:
                raise
            log.warning("%s (the window is begun again)", error)


@dataclass(slots=True)
class Waited:
    """How long the source was waited for."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _TimedRows:
    """A stream that notes how long its consumer waited for it."""

    rows: RowStream
    waited: Waited

    @property
    def schema(self) -> pa.Schema:
        return self.rows.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        batches = iter(self.rows)
        while True:
            asked = time.monotonic()
            batch = next(batches, None)
            self.waited.seconds += time.monotonic() - asked
            if batch is None:
                return
            yield batch


def _reporter(on_progress: Callable[[Progress], None], began: float) -> Callable[[int], None]:
    reported = began

    def report(rows: int) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported >= PROGRESS_SECONDS:
            reported = now
            on_progress(Progress(rows, now - began))

    return report
