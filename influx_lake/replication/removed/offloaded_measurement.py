"""Stands in for a source that no longer knows a measurement because all of its points were off-loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import MeasurementNotFound
from influx_lake.iceberg.columns.schema import arrow_type
from influx_lake.iceberg.proofs.offloaded import is_offloaded, offloaded_from
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.iceberg.table_state import table_state
from influx_lake.sources.protocol import ServerInfo, Source
from influx_lake.transforms.columns import arrow_schema, column_type

if TYPE_CHECKING:
    from pyiceberg.table import Table


class Declares(Protocol):
    """Returns the columns of measurements: a source, or its cached answer."""

    def schema(self, measurement: str) -> MeasurementSchema:
        """See `Source.schema`."""
        ...


def declared_still(
    source: Source, asked: Declares, measurement: Measurement, table: Table | None, windows: Sequence[Window]
) -> tuple[Source, MeasurementSchema]:
    """The source to read windows from, and the measurement's columns; a stand-in without rows where the server no
    longer knows the measurement.

    InfluxDB 1 and 2 do not know a measurement without points (1.8.10, 2.7.12). For one that was off-loaded, the columns
    are those of its table, and there are no rows to read.

    Args:
        source: The measurement's source, transformed.
        asked: Returns the measurement's columns.
        measurement: The measurement.
        table: Its table, under the names that loads know; None where there is none.
        windows: The windows that are to be loaded.

    Raises:
        MeasurementNotFound: The server has no such measurement, and off-loading is not the reason: nothing of it was
            off-loaded, or the lake has rows of a window that was not.
        SourceError: The source cannot be read.
    """
    try:
        return source, asked.schema(measurement.name)
    except MeasurementNotFound:
        if table is None or not offloaded_from(table):
            raise
        left = [window for window in windows if not is_offloaded(table, window)]
        if any(count_by_window(table, left, measurement.time_column)):
            raise
    time = Column(measurement.time_column, Role.TIME, ColumnType.TIME)
    tags = [_tag(name, table) for name in sorted(table_state(table).tags or ())]
    schema = MeasurementSchema(measurement.name, (time, *tags))
    return Forgotten(source, schema), schema


def _tag(name: str, table: Table) -> Column:
    """A tag as loads make it for the table: all tags in one column of a long table, or one that `types` casts."""
    from pyiceberg.types import MapType, StringType

    kind = {field.name: field.field_type for field in table.schema().fields}.get(name, StringType())
    if isinstance(kind, StringType):
        return Column(name, Role.TAG, ColumnType.STRING)
    if isinstance(kind, MapType):
        return Column(name, Role.TAG, ColumnType.MAP)
    return Column(name, Role.TAG, column_type(arrow_type(str(kind))), iceberg_type=str(kind))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A source that has no points of the measurement, for servers that no longer know it.

    Attributes:
        source: The source.
        known: The measurement's columns.
    """

    source: Source
    known: MeasurementSchema

    @property
    def identity(self) -> str:
        """See `Source`."""
        return self.source.identity

    def server(self) -> ServerInfo:
        """See `Source`."""
        return self.source.server()

    def measurements(self) -> list[str]:
        """See `Source`."""
        return self.source.measurements()

    def schema(self, measurement: str) -> MeasurementSchema:
        """See `Source`."""
        return self.known if measurement == self.known.measurement else self.source.schema(measurement)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[NoRows]:  # noqa: ARG002 - as sources do
        """An empty stream."""
        yield NoRows(arrow_schema(schema))

    def count(self, measurement: str, window: Window) -> int:  # noqa: ARG002 - as sources do
        """0."""
        return 0

    def first_time(self, measurement: str) -> datetime | None:  # noqa: ARG002 - as sources do
        """None."""
        return None

    def close(self) -> None:
        """See `Source`."""
        self.source.close()


@dataclass(frozen=True, slots=True)
class NoRows:
    """An empty stream.

    Attributes:
        schema: Its schema.
    """

    schema: pa.Schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(())
