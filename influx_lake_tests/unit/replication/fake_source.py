"""A source whose rows a test holds in its hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.sources.protocol import RowStream, ServerInfo

SCHEMA = pa.schema(
    [pa.field("time", pa.timestamp("ns"), nullable=False), ("host", pa.string()), ("value", pa.float64())]
)


@dataclass
class Stream:
    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.batches)


@dataclass
class FakeSource:
    """Serves rows from memory.

    Attributes:
        identity: Which database it is.
        rows: What it holds.
        asked: The windows it was read for.
    """

    identity: str = "fake://here/telemetry"
    rows: pa.Table = field(default_factory=SCHEMA.empty_table)
    asked: list[Window] = field(default_factory=list)

    def put(self, window: Window, count: int, host: str = "a", value: float = 0.0) -> None:
        """Add `count` points of a host, spread over a window."""
        step = (window.end_us - window.start_us) // count
        times = [(window.start_us + number * step) * 1000 for number in range(count)]
        more = pa.table([pa.array(times, pa.timestamp("ns")), [host] * count, [value] * count], schema=SCHEMA)
        self.rows = pa.concat_tables([self.rows, more])

    def forget(self, host: str) -> None:
        """Lose the points of a host."""
        self.rows = self.rows.filter(pc.not_equal(self.rows["host"], host))

    def server(self) -> ServerInfo:
        return ServerInfo("fake", "1")

    def measurements(self) -> list[str]:
        return ["cpu"]

    def schema(self, measurement: str) -> MeasurementSchema:
        columns = (
            Column("time", Role.TIME, ColumnType.TIME),
            Column("host", Role.TAG, ColumnType.STRING),
            Column("value", Role.FIELD, ColumnType.FLOAT),
        )
        return MeasurementSchema(measurement, columns)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        self.asked.append(window)
        yield Stream(SCHEMA, self._within(window).to_batches(max_chunksize=100))

    def count(self, measurement: str, window: Window) -> int:
        return len(self._within(window))

    def close(self) -> None:
        pass

    def _within(self, window: Window) -> pa.Table:
        times = self.rows["time"].cast(pa.int64())
        inside = pc.and_(pc.greater_equal(times, window.start_us * 1000), pc.less(times, window.end_us * 1000))
        return self.rows.filter(inside)
