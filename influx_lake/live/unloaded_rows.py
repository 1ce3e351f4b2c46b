"""Finds the rows of a measurement that its source has and its table does not yet, shaped as a load would."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import Lake, Measurement, Nanoseconds, OnShrink, WriteMode
from influx_lake.config.tables.format_versions import time_holds_nanoseconds
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import MeasurementNotFound, SchemaConflict, SourceError, naming
from influx_lake.iceberg.columns.field_variants import arranged
from influx_lake.iceberg.columns.known_columns import actual
from influx_lake.iceberg.columns.row_mapping import Misfit, Shape, shape_of
from influx_lake.iceberg.merge.key_set import KeySet
from influx_lake.iceberg.merge.point_key import point_key
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.iceberg.scan.reader import arrow_schema as schema_of_table
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.staging.staged import stage
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.ownership import check_owner
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_rows import WindowStatistics
from influx_lake.live.open_time import Between, OpenTime, open_time
from influx_lake.live.rows import LiveRows
from influx_lake.replication.removed.erased import without_erased_from
from influx_lake.replication.table_columns import table_target
from influx_lake.sources import open_reliable_source, open_source
from influx_lake.transforms import LoadContext, transformed
from influx_lake.transforms.columns import arrow_schema

if TYPE_CHECKING:
    from pyiceberg.table import Table

log = logging.getLogger("influx_lake.live")
_RUN = "live"
"""The value of the run column in rows that no run has loaded."""


@dataclass(frozen=True, slots=True)
class UnloadedRows:
    """The rows that a source has of a measurement beyond its table.

    Attributes:
        measurement: The measurement.
        rows: The rows, with the table's columns and those that a load would add.
        hidden: The windows whose rows of the table must not be read beside these, since a load would replace them.
        ids: The field ids of the table's columns, by their names in lake.yaml.
    """

    measurement: Measurement
    rows: LiveRows
    hidden: tuple[Window, ...]
    ids: dict[str, int]


def unloaded_rows(
    lake: Lake,
    measurement: Measurement,
    table: Table | None,
    between: Between = (None, None),
    *,
    lenient: bool = False,
    now: datetime | None = None,
) -> UnloadedRows | None:
    """Find the rows that a source has of a measurement beyond its table; they are read when a query runs.

    The source is queried for its columns, only where the table does not cover all of the time.

    Args:
        lake: The lake.
        measurement: The measurement.
        table: Its table, with the column names that loads use; None where there is none yet.
        between: The time to look at; see `open_time`.
        lenient: Whether a source that does not answer is a warning rather than an error.
        now: The present; default: this moment.

    Returns:
        None where there is nothing beyond, or where the source does not answer and need not.

    Raises:
        SourceError: The source does not answer.
        SchemaConflict: A load would be refused for this reason.
    """
    now = now or datetime.now(UTC)
    coverage = table_state(table).coverage
    for each in offloaded_from(table):
        # Off-loaded: only the table has it.
        coverage = coverage.adding(each.window)
    time = open_time(measurement, coverage, now, between)
    _log_left_out(measurement, time)
    if not time.source_windows:
        return None
    try:
        with naming(measurement.name):
            return _rows_of(lake, without_erased_from(measurement, table), table, time, now)
    except SourceError as error:
        if isinstance(error, MeasurementNotFound) and offloaded_from(table):
            # A server forgets a measurement with its last point, which the lake has.
            return None
        if not lenient:
            raise
        log.warning("%s: only what the lake holds is read: %s", measurement.name, error)
        return None


def _rows_of(lake: Lake, measurement: Measurement, table: Table | None, time: OpenTime, now: datetime) -> UnloadedRows:
    context = LoadContext(_RUN, now)
    names = {measurement.source_of(window) for window in time.source_windows}
    name = measurement.source if measurement.source in names else min(names)
    with closing(open_source(lake.source(name))) as source:
        schema = transformed(source, measurement, context).schema(measurement.name)
        identity = source.identity
    target = _without_finer_times(table_target(measurement, schema), table)
    if table is not None:
        provenance = Provenance(identity, _RUN, measurement.adopt, _identities(lake, measurement))
        check_owner(actual(table), target, provenance)
    _, fields, ids = _row_layout(arrow_schema(schema), target, table)
    columns = pa.schema([field.with_metadata(None).with_nullable(True) for field in fields])
    part = _Part(lake, measurement, schema, target, columns, context, table)
    hidden = () if measurement.write.mode is WriteMode.APPEND else time.source_windows
    return UnloadedRows(measurement, LiveRows(columns, target.time_column, time.source_windows, part.read), hidden, ids)


def _row_layout(rows: pa.Schema, target: TableTarget, table: Table | None) -> tuple[Shape, pa.Schema, dict[str, int]]:
    """How rows fit into a table: their mapping, the table's columns with theirs, and the field ids of those it has."""
    if table is None:
        shape = arranged(shape_of(rows, target), rows, target)
        return shape, shape.schema, {}
    staged = stage(actual(table), rows, target)
    known = {field.field_id for field in table.metadata.schema().fields}
    fields = staged.table.schema().fields
    ids = {field.name: field.field_id for field in fields if field.field_id in known}
    return staged.shape, schema_of_table(staged.table.schema()), ids


@dataclass(frozen=True, slots=True)
class _Part:
    """Reads the rows of a part of the time from one source.

    Attributes:
        columns: The columns of the rows that are returned.
        table: The table; None where there is none yet.
    """

    lake: Lake
    measurement: Measurement
    schema: MeasurementSchema
    target: TableTarget
    columns: pa.Schema
    context: LoadContext
    table: Table | None

    def read(self, window: Window) -> Iterator[pa.RecordBatch]:
        """The rows of some windows, as a load would write them."""
        for part in _by_source(self.measurement, window):
            with naming(self.measurement.name, part):
                yield from self._with_kept(part)

    def _with_kept(self, window: Window) -> Iterator[pa.RecordBatch]:
        if self.table is None or not _keeps_rows(self.measurement):
            yield from self._loaded(window)
            return
        with closing(KeySet(point_key(self.target, self.columns), window)) as points:
            yield from points.record(self._loaded(window))
            held = read_windows(self.table, [window], self.target.time_column)
            yield from points.filter_unmatched(_filled(batch, self.columns) for batch in held)

    def _loaded(self, window: Window) -> Iterator[pa.RecordBatch]:
        plain = open_reliable_source(self.lake.source(self.measurement.source_of(window)))
        share = self.target.share
        statistics = WindowStatistics(self.target.time_column, window, self.target.name, share)
        unfit = 0
        with closing(plain):
            source = transformed(plain, self.measurement, self.context)
            with source.read(self.schema, window) as rows:
                # Whether a value does not fit is known only when it is read.
                shape, _, _ = _row_layout(rows.schema, self.target, self.table)
                for batch in rows:
                    fit = self._fit(batch, shape.misfits)
                    unfit += len(batch) - len(fit)
                    made = shape.apply(fit)
                    if len(made):
                        statistics.observe(made)
                        yield _filled(made, self.columns)
        if unfit:
            log.warning("%s %s: %d rows are left out that would go to the quarantine", self.target.name, window, unfit)

    def _fit(self, batch: pa.RecordBatch, misfits: Sequence[Misfit]) -> pa.RecordBatch:
        """The rows that the table takes, without those that a load would put into quarantine."""
        if not misfits:
            return batch
        values = [pc.is_valid(batch.column(each.column)) for each in misfits]
        refused = [
            each.reason for each, present in zip(misfits, values, strict=True) if each.refused and present.true_count
        ]
        if refused:
            raise SchemaConflict(
                f"one column of {self.target.name} cannot hold what the source has: {'; '.join(refused)}",
                remedy="Set on_type_conflict: new_column, which gives each type a column, or quarantine; or ask the "
                "lake alone",
            )
        return batch.filter(pc.invert(reduce(pc.or_, values)))


def _by_source(measurement: Measurement, window: Window) -> Iterator[Window]:
    """Split windows into parts that one source each provides."""
    if measurement.history is None:
        yield window
        return
    parts: list[tuple[str, Window]] = []
    for each in measurement.scheme.windows(window.start, window.end):
        name = measurement.source_of(each)
        part = Window(max(each.start, window.start), min(each.end, window.end))
        if parts and parts[-1][0] == name:
            part = Window(parts.pop()[1].start, part.end)
        parts.append((name, part))
    yield from (part for _, part in parts)


def _filled(batch: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    """The rows with all columns of the table, missing ones null."""
    known = set(batch.schema.names)
    values = [
        batch.column(field.name).cast(field.type) if field.name in known else pa.nulls(len(batch), field.type)
        for field in columns
    ]
    return pa.RecordBatch.from_arrays(values, schema=columns)


def _keeps_rows(measurement: Measurement) -> bool:
    """Whether a load keeps rows of the table that the source does not have."""
    return measurement.write.mode is WriteMode.UPSERT or measurement.on_shrink is OnShrink.MERGE


def _without_finer_times(target: TableTarget, table: Table | None) -> TableTarget:
    """The table without a column of nanoseconds that a load might add: before the rows are read it is not known whether
    they need one.
    """
    options = target.types
    names = {field.name for field in table.schema().fields} if table is not None else set()
    is_kept = options.nanoseconds_column in names or time_holds_nanoseconds(options.nanoseconds, target.properties)
    if options.nanoseconds is not Nanoseconds.KEEP or is_kept:
        return target
    return replace(target, types=options.model_copy(update={"nanoseconds": Nanoseconds.TRUNCATE}))


def _identities(lake: Lake, measurement: Measurement) -> tuple[str, ...]:
    found = []
    for name in measurement.sources:
        with closing(open_source(lake.source(name))) as source:
            found.append(source.identity)
    return tuple(found)


def _log_left_out(measurement: Measurement, time: OpenTime) -> None:
    if time.left_out:
        log.warning(
            "%s: %d stretches of time from %s to %s are neither in the lake nor asked of the source: load them "
            "(influx-lake replicate), or name an earlier start",
            measurement.name,
            len(time.left_out),
            time.left_out[0].start.isoformat(),
            time.left_out[-1].end.isoformat(),
        )
