"""A source whose values are rows of a long table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa

from influx_lake.config.values.source_schema import Column, MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.sources.profile import Profile, read_profiles
from influx_lake.sources.protocol import RowStream, Source
from influx_lake.sources.single_use_rows import SingleUseRows
from influx_lake.sources.versions import version_of
from influx_lake.transforms.long_table import LongTable, long_table
from influx_lake.transforms.source import TransformedSource


class LongSource(TransformedSource):
    """A source of one measurement, shaped as its options say, and then each of its values a row."""

    def schema(self, measurement: str) -> MeasurementSchema:
        """The columns that the long table gets.

        Raises:
            MeasurementNotFound: The source has no such measurement.
            ConfigurationError: What is asked for cannot be done with the columns that it has; see `long_table`.
            SchemaConflict: See `resolve`.
        """
        return self._long(measurement).schema

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        table = self._long(schema.measurement)
        with super().read(table.wide, window) as rows:
            layout = table.layout(rows.schema)
            made = (each for batch in rows for each in table.apply(batch, layout))
            names = [column.name for column in schema.columns]
            if names == layout.names:
                yield SingleUseRows(layout, made)
            else:
                asked = pa.schema([layout.field(name) for name in names])
                yield SingleUseRows(asked, (batch.select(names) for batch in made))

    def counts(self, measurement: str, windows: Sequence[Window]) -> list[int]:
        """How many values there are in each window."""
        table = self._long(measurement)
        columns: list[Column] = [value.column for value in table.values]
        wide = MeasurementSchema(measurement, (table.time, *columns))
        found = super().profiles(wide, windows, {})
        return [sum(profile[column.name].count for column in columns) for profile in found]

    def profiles(
        self, schema: MeasurementSchema, windows: Sequence[Window], scales: Mapping[str, float]
    ) -> list[Profile]:
        """The profile of each window, by reading its rows."""
        return read_profiles(self, schema, windows, scales)

    def version(self, *, newest: bool) -> Source:
        """The same with the values that were written last, or first."""
        return LongSource(version_of(self._source, newest=newest), self._measurement, self._load)

    def _long(self, measurement: str) -> LongTable:
        plan, options = self.plan(measurement), self._measurement.layout
        assert options is not None
        return long_table(measurement, options, plan.schema.columns, plan.added, self._measurement.table_name)
