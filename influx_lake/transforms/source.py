"""A source that returns the rows of a measurement transformed for its table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import reduce

import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.config.transforms.options import Duplicates
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.sources.conditions import takes
from influx_lake.sources.profile import ColumnProfile, Profile, profiles_of, read_profiles
from influx_lake.sources.protocol import RowStream, ServerInfo, Source
from influx_lake.sources.remarks import FindsOutside, Outside
from influx_lake.sources.selected_counts import selected_counts
from influx_lake.sources.single_use_rows import SingleUseRows
from influx_lake.sources.versions import version_of
from influx_lake.transforms.duplicates import last_of_each
from influx_lake.transforms.plan import Plan, resolve
from influx_lake.transforms.provenance import LoadContext
from influx_lake.transforms.steps import Step

_ROWS_AT_ONCE = 262_144
_BYTES_AT_ONCE = 32_000_000


class TransformedSource:
    """A source of one measurement, with the columns and rows of the measurement's table.

    Args:
        source: The untransformed source.
        measurement: The measurement.
        load: The load that rows are read for.
        declared: Returns the source's columns; None: the source is asked.
    """

    def __init__(
        self,
        source: Source,
        measurement: Measurement,
        load: LoadContext | None = None,
        declared: Callable[[str], MeasurementSchema] | None = None,
    ) -> None:
        self._source = source
        self._measurement = measurement
        self._load = load or LoadContext()
        self._declared = declared or source.schema
        self._plans: dict[MeasurementSchema, Plan] = {}
        self._lock = threading.Lock()

    @property
    def plain(self) -> Source:
        """The untransformed source."""
        return self._source

    @property
    def declared(self) -> MeasurementSchema | None:
        """The columns that the source last declared; None before it was asked."""
        with self._lock:
            return next(reversed(self._plans), None)

    @property
    def identity(self) -> str:
        return self._source.identity

    def __repr__(self) -> str:
        return f"TransformedSource({self._source!r}, {self._measurement.key!r})"

    def is_for(self, measurement: Measurement) -> bool:
        """Whether its rows are those of a measurement's table."""
        return measurement == self._measurement

    def server(self) -> ServerInfo:
        return self._source.server()

    def measurements(self) -> list[str]:
        return self._source.measurements()

    def schema(self, measurement: str) -> MeasurementSchema:
        """The columns of the table.

        Raises:
            MeasurementNotFound: The source has no such measurement.
            ConfigurationError: Options do not fit the source's columns; see `resolve`.
            SchemaConflict: See `resolve`.
        """
        return self.plan(measurement).schema

    def plan(self, measurement: str) -> Plan:
        """The transforms for the columns that the source has now; raises the errors of `schema`."""
        declared = self._declared(measurement)
        with self._lock:
            known = self._plans.pop(declared, None)
            if known is not None:
                # Reinsert it, so that the last plan is that of the source's present columns.
                self._plans[declared] = known
        if known is None:
            known = resolve(declared, self._measurement)
            with self._lock:
                self._plans[declared] = known
        return known

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        plan = self._plan_of(schema)
        source_schema, filtered = self._source_query(plan)
        with self._source.read(source_schema, window) as rows:
            steps = plan.steps(rows.schema, window, self._load, filtered=filtered)
            made: Iterator[pa.RecordBatch] = (batch for group in _groups(rows) for batch in _apply(steps, group))
            layout = steps[-1].schema
            if self._merges:
                made = last_of_each(made, layout, [schema.time, *plan.schema.tags])
            if schema.columns != plan.schema.columns:
                layout, made = _selected(schema, layout, made)
            yield SingleUseRows(layout, made)

    def count(self, measurement: str, window: Window) -> int:
        return self.counts(measurement, [window])[0]

    def counts(self, measurement: str, windows: Sequence[Window]) -> list[int]:
        """The number of rows that the table gets for each window."""
        plan = self.plan(measurement)
        source_schema, filtered = self._source_query(plan)
        if (not plan.filters or filtered) and not self._merges:
            return selected_counts(self._source, source_schema, windows)
        return [self._read_count(plan.schema, window) for window in windows]

    def profiles(
        self, schema: MeasurementSchema, windows: Sequence[Window], scales: Mapping[str, float]
    ) -> list[Profile]:
        """The profile of each window: by the source where no values change, else by reading the rows."""
        plan = self._plan_of(schema)
        source_schema, filtered = self._source_query(plan)
        names, fixed = plan.plain, [plan.fixed(window) for window in windows]
        is_plain = all(column.name in names or column.name in fixed[0] for column in schema.columns)
        if not is_plain or self._merges or (plan.filters and not filtered):
            return read_profiles(self, schema, windows, scales)
        table_names = {names[column.name]: column.name for column in schema.columns if column.name in names}
        fewer = source_schema.select([column.name for column in source_schema.columns if column.name in table_names])
        if fewer.needs_a_field and fewer.fields != source_schema.fields:
            # Without these fields the source would return fewer rows.
            fewer = source_schema
        scaled = {names[name]: scale for name, scale in scales.items() if name in names}
        found = profiles_of(self._source, fewer, windows, scaled)
        return [
            {table_names[name]: each for name, each in profile.items() if name in table_names}
            | {
                column.name: _profile_of_text(texts[column.name], profile[source_schema.time].count)
                for column in schema.columns
                if column.name in texts
            }
            for profile, texts in zip(found, fixed, strict=True)
        ]

    def first_time(self, measurement: str) -> datetime | None:
        return self._source.first_time(measurement)

    def version(self, *, newest: bool) -> TransformedSource:
        """This source with the values that were written last, or first."""
        return TransformedSource(version_of(self._source, newest=newest), self._measurement, self._load)

    def outside(self, measurement: str, reach: Window) -> Outside | None:
        """The points of a measurement outside of a range, where the source has found such."""
        return self._source.outside(measurement, reach) if isinstance(self._source, FindsOutside) else None

    def close(self) -> None:
        self._source.close()

    def _plan_of(self, schema: MeasurementSchema) -> Plan:
        """The plan for given columns: with exactly these, else the latest with all of them."""
        columns = set(schema.columns)
        with self._lock:
            plans = [plan for plan in self._plans.values() if columns <= set(plan.schema.columns)]
        exact = next((plan for plan in plans if plan.schema.columns == schema.columns), None)
        return exact or next(reversed(plans), None) or self.plan(schema.measurement)

    def _source_query(self, plan: Plan) -> tuple[MeasurementSchema, bool]:
        """The columns and condition for the source, and whether it applies the row filter."""
        if plan.condition is None or not takes(self._source, plan.source_schema, plan.condition):
            return plan.source_schema, False
        return replace(plan.source_schema, where=plan.condition), True

    @property
    def _merges(self) -> bool:
        """Whether `duplicates: last` merges points."""
        tags = self._measurement.transforms.tags
        return self._measurement.transforms.duplicates is Duplicates.LAST and tags.chooses

    def _read_count(self, schema: MeasurementSchema, window: Window) -> int:
        with self.read(schema, window) as rows:
            return sum(len(batch) for batch in rows)


def _groups(rows: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Groups of consecutive batches, bounded in rows and bytes."""
    group: list[pa.RecordBatch] = []
    count = size = 0
    for batch in rows:
        group.append(batch)
        count, size = count + len(batch), size + batch.nbytes
        if count >= _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield group
            group, count, size = [], 0, 0
    if group:
        yield group


def _apply(steps: Sequence[Step], batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    return reduce(lambda rows, step: step.apply(rows), steps, batches)


def _selected(
    schema: MeasurementSchema, layout: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    names = [column.name for column in schema.columns]
    return pa.schema([layout.field(name) for name in names]), (batch.select(names) for batch in batches)


def _profile_of_text(text: str, rows: int) -> ColumnProfile:
    """The profile of a column with one string in every row."""
    return ColumnProfile(rows, text, text, rows * len(text.encode())) if rows else ColumnProfile()
