"""A source of many kinds of columns whose rows a test holds in its hands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.config.transforms.options import TransformOptions
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.sources.arrow_types import arrow_schema
from influx_lake.sources.protocol import ServerInfo
from influx_lake.sources.single_use_rows import SingleUseRows
from influx_lake.transforms import TransformedSource

START = parse_moment("2026-01-01")
DAY = Window(START, parse_moment("2026-01-02"))
SCHEME = Scheme(Every.DAY, START)
COLUMNS = (
    Column("time", Role.TIME, ColumnType.TIME),
    Column("host", Role.TAG, ColumnType.STRING),
    Column("region", Role.TAG, ColumnType.STRING),
    Column("busy", Role.FIELD, ColumnType.FLOAT),
    Column("count", Role.FIELD, ColumnType.INTEGER),
    Column("on", Role.FIELD, ColumnType.BOOLEAN),
    Column("text", Role.FIELD, ColumnType.STRING),
)
SCHEMA = MeasurementSchema("cpu", COLUMNS)
Row = dict[str, Any]


def measurement(**options: Any) -> Measurement:
    """A measurement with transforms."""
    transforms = TransformOptions.model_validate(options)
    return Measurement("cpu", "cpu", "default", "telemetry", ("telemetry",), "cpu", SCHEME, transforms=transforms)


@dataclass
class MemorySource:
    """Serves rows from memory, as sources do: a point without a field that is read is none.

    Attributes:
        rows: What it holds; times in nanoseconds since 1970.
        schema_: Its columns.
        batch_rows: How many rows a batch has.
        asked: What it was asked for.
    """

    rows: list[Row] = field(default_factory=list)
    schema_: MeasurementSchema = SCHEMA
    batch_rows: int = 3
    asked: list[MeasurementSchema] = field(default_factory=list)
    identity: str = "fake://here/telemetry"

    def server(self) -> ServerInfo:
        return ServerInfo("fake", "1")

    def measurements(self) -> list[str]:
        return ["cpu"]

    def schema(self, measurement: str) -> MeasurementSchema:
        return self.schema_

    def first_time(self, measurement: str) -> datetime | None:
        return START

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[SingleUseRows]:
        self.asked.append(schema)
        layout = self._encoded(arrow_schema(schema))
        rows = self._rows(schema, window)
        batches = [
            pa.RecordBatch.from_pylist(rows[begin : begin + self.batch_rows], schema=arrow_schema(schema))
            for begin in range(0, len(rows), self.batch_rows)
        ]
        yield SingleUseRows(layout, (self._as(batch, layout) for batch in batches))

    def count(self, measurement: str, window: Window) -> int:
        return len(self._rows(self.schema_, window))

    def close(self) -> None:
        pass

    def _rows(self, schema: MeasurementSchema, window: Window) -> list[Row]:
        return [
            {column.name: row.get(column.name) for column in schema.columns}
            for row in self.rows
            if window.start_us * 1000 <= row["time"] < window.end_us * 1000
            and (not schema.needs_a_field or any(row.get(name) is not None for name in schema.fields))
        ]

    def _encoded(self, schema: pa.Schema) -> pa.Schema:
        """Tags come as dictionaries, as InfluxDB 3 sends them."""
        tags = set(self.schema_.tags)
        kind = pa.dictionary(pa.int32(), pa.string())
        return pa.schema([each.with_type(kind) if each.name in tags else each for each in schema])

    @staticmethod
    def _as(batch: pa.RecordBatch, layout: pa.Schema) -> pa.RecordBatch:
        arrays = [
            column.dictionary_encode() if pa.types.is_dictionary(each.type) else column
            for column, each in zip(batch.columns, layout, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=layout)


def transformed_rows(source: MemorySource, of: Measurement, window: Window = DAY) -> list[Row]:
    """The rows that a table gets; times in nanoseconds since 1970."""
    shaped = TransformedSource(source, of)
    with shaped.read(shaped.schema("cpu"), window) as rows:
        return [row for batch in rows for row in as_rows(batch)]


def as_rows(batch: pa.RecordBatch) -> list[Row]:
    """Rows with their times as numbers."""
    columns = [
        column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
        if pa.types.is_timestamp(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()


def at(seconds: float) -> int:
    """A time on the day, in nanoseconds since 1970."""
    return DAY.start_us * 1000 + round(seconds * 1e9)


def points(*rows: Sequence[Any]) -> MemorySource:
    """A source of rows, each of the values of all columns, its time in seconds of the day."""
    names = [column.name for column in COLUMNS]
    return MemorySource([{**dict(zip(names, row, strict=True)), "time": at(row[0])} for row in rows])
