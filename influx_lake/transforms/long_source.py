"""A source that returns each value of a measurement as a row of a long table."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.sources.profile import Profile, read_profiles
from influx_lake.sources.protocol import RowStream, ServerInfo, Source
from influx_lake.sources.remarks import Outside
from influx_lake.sources.single_use_rows import SingleUseRows
from influx_lake.transforms.expressions import Computation, Expression, Filter
from influx_lake.transforms.long_table import LongTable, long_table
from influx_lake.transforms.plan import ERASED
from influx_lake.transforms.source import TransformedSource

log = logging.getLogger("influx_lake.replication")


class LongSource:
    """A source of one measurement, with a row for each value.

    Args:
        wide: The source of wide rows, transformed by the other options.
        measurement: The measurement, whose layout decides which types of values have their own columns.
    """

    def __init__(self, wide: TransformedSource, measurement: Measurement) -> None:
        assert measurement.layout is not None
        self._wide = wide
        self._measurement = measurement
        self._options = measurement.layout
        self._table = measurement.table_name

    @property
    def plain(self) -> Source:
        """The untransformed source."""
        return self._wide.plain

    @property
    def declared(self) -> MeasurementSchema | None:
        """The columns that the source last declared; None before it was asked."""
        return self._wide.declared

    @property
    def identity(self) -> str:
        return self._wide.identity

    def __repr__(self) -> str:
        return f"LongSource({self._wide!r})"

    def is_for(self, measurement: Measurement) -> bool:
        """Whether its rows are those of a measurement's table."""
        return self._wide.is_for(measurement)

    def server(self) -> ServerInfo:
        return self._wide.server()

    def measurements(self) -> list[str]:
        return self._wide.measurements()

    def schema(self, measurement: str) -> MeasurementSchema:
        """The columns of the long table.

        Raises:
            MeasurementNotFound: The source has no such measurement.
            ConfigurationError: Options do not fit the source's columns; see `long_table`.
            SchemaConflict: See `resolve`.
        """
        return self._long(measurement).schema

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        table = self._long(schema.measurement)
        with self._wide.read(table.wide, window) as rows:
            layout = table.layout(rows.schema)
            made = self._stored((each for batch in rows for each in table.apply(batch, layout)), layout)
            names = [column.name for column in schema.columns]
            if names == layout.names:
                yield SingleUseRows(layout, made)
            else:
                selected = pa.schema([layout.field(name) for name in names])
                yield SingleUseRows(selected, (batch.select(names) for batch in made))

    def count(self, measurement: str, window: Window) -> int:
        return self.counts(measurement, [window])[0]

    def counts(self, measurement: str, windows: Sequence[Window]) -> list[int]:
        """The number of values in each window. The source counts each field, unless values were erased; then rows are
        read.
        """
        table = self._long(measurement)
        if self._measurement.wanted_values is not None:
            return [self._read_count(table.schema, window) for window in windows]
        columns = [value.column for value in table.values]
        found = self._wide.profiles(MeasurementSchema(measurement, (table.time, *columns)), windows, {})
        return [sum(profile[column.name].count for column in columns) for profile in found]

    def profiles(
        self, schema: MeasurementSchema, windows: Sequence[Window], scales: Mapping[str, float]
    ) -> list[Profile]:
        """The profile of each window, by reading its rows."""
        return read_profiles(self, schema, windows, scales)

    def first_time(self, measurement: str) -> datetime | None:
        return self._wide.first_time(measurement)

    def version(self, *, newest: bool) -> Source:
        """This source with the values that were written last, or first."""
        return LongSource(self._wide.version(newest=newest), self._measurement)

    def outside(self, measurement: str, reach: Window) -> Outside | None:
        """The points of a measurement outside of a range, where the source has found such."""
        return self._wide.outside(measurement, reach)

    def close(self) -> None:
        self._wide.close()

    def _stored(self, batches: Iterator[pa.RecordBatch], layout: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows without erased ones."""
        condition = self._measurement.wanted_values
        if condition is None:
            return batches
        filter_ = Filter(Computation([Expression(ERASED, condition)], layout, self._measurement.name))
        return (left for batch in batches for left in filter_.apply([batch]) if len(left))

    def _read_count(self, schema: MeasurementSchema, window: Window) -> int:
        with self.read(schema, window) as rows:
            return sum(len(batch) for batch in rows)

    def _long(self, measurement: str) -> LongTable:
        plan = self._wide.plan(measurement)
        table = long_table(measurement, self._options, plan.schema.columns, plan.added, self._table)
        if table.left_out:
            _log_left_out(measurement, self._table, table.left_out)
        return table


@lru_cache(maxsize=1024)
def _log_left_out(measurement: str, table: str, fields: tuple[str, ...]) -> None:
    """Warn, once, of fields that are not in a table."""
    log.warning(
        "%s: string fields are left out of %s: %s. To load them into a column: layout: {long: {texts: true}}",
        measurement,
        table,
        ", ".join(fields),
    )
