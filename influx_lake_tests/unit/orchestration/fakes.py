"""A source in memory, and a lake that uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from influx_lake.config import Measurement
from influx_lake.config.columns import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.windows import Every, Scheme, Window
from influx_lake.sources.protocol import ServerInfo

START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (
    Column("time", Role.TIME, ColumnType.TIME),
    Column("host", Role.TAG, ColumnType.STRING),
    Column("usage", Role.FIELD, ColumnType.FLOAT),
)
ARROW = pa.schema([("time", pa.timestamp("ns")), ("host", pa.string()), ("usage", pa.float64())])


def cpu(every: Every = Every.DAY, name: str = "cpu") -> Measurement:
    return Measurement(
        key=name,
        name=name,
        source="default",
        database="telemetry",
        namespace=("telemetry",),
        table=name,
        scheme=Scheme(every, START),
    )


@dataclass
class FakeSource:
    """Holds points of one measurement: (time, host, usage).

    Attributes:
        points: The points.
        failing: Raised instead of an answer, for windows that it says so of.
    """

    points: list[tuple[datetime, str, float]] = field(default_factory=list)
    failing: Callable[[Window], Exception | None] = lambda window: None
    closed: int = 0

    identity = "fake://telemetry"

    @contextmanager
    def open(self) -> Iterator[FakeSource]:
        yield self
        self.closed += 1

    def server(self) -> ServerInfo:
        return ServerInfo("fake", "1")

    def measurements(self) -> list[str]:
        return ["cpu"]

    def schema(self, measurement: str) -> MeasurementSchema:
        return MeasurementSchema(measurement, COLUMNS)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[pa.RecordBatchReader]:
        if (error := self.failing(window)) is not None:
            raise error
        inside = [point for point in self.points if window.start <= point[0] < window.end]
        yield pa.RecordBatchReader.from_batches(ARROW, [batch_of(inside)] if inside else [])

    def count(self, measurement: str, window: Window) -> int:
        return sum(window.start <= point[0] < window.end for point in self.points)

    def close(self) -> None:
        self.closed += 1


def batch_of(points: Sequence[tuple[datetime, str, float]]) -> pa.RecordBatch:
    times, hosts, usages = zip(*points, strict=True)
    naive = [moment.replace(tzinfo=None) for moment in times]
    return pa.record_batch([pa.array(naive, pa.timestamp("ns")), pa.array(hosts), pa.array(usages)], schema=ARROW)


def hourly_points(days: int, per_hour: int = 2) -> list[tuple[datetime, str, float]]:
    """`per_hour` points of two hosts in every hour."""
    steps = [timedelta(hours=hour, minutes=minute) for hour in range(24 * days) for minute in range(per_hour)]
    return [(START + step, f"host{index % 2}", float(index)) for index, step in enumerate(steps)]
