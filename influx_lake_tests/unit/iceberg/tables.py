"""Rows and tables to test the write path with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_result import WindowResult
from testbed.loads import load_of

SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("ns"), nullable=False),
        pa.field("host", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("count", pa.int64()),
    ]
)
TARGET = TableTarget(("telemetry", "cpu"))
PROVENANCE = Provenance(source="test://here/telemetry", run_id="run-1")


@dataclass
class Batches:
    """A stream of rows; what goes wrong in the iterable goes wrong in the stream."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.batches)


def day(number: int, days: int = 1) -> Window:
    start = parse_moment("2026-01-01") + timedelta(days=number)
    return Window(start, start + timedelta(days=days))


def hours(number: int, first: int, last: int) -> Window:
    start = day(number).start
    return Window(start + timedelta(hours=first), start + timedelta(hours=last))


def rows(window: Window, count: int, value: float = 0.0) -> pa.RecordBatch:
    """`count` rows spread evenly over a window."""
    step = (window.end_us - window.start_us) // count
    return pa.record_batch(
        [
            pa.array([(window.start_us + i * step) * 1000 for i in range(count)], pa.timestamp("ns")),
            pa.array([f"host-{i % 7}" for i in range(count)]),
            pa.array([value + i for i in range(count)]),
            pa.array(range(count), pa.int64()),
        ],
        schema=SCHEMA,
    )


def stream(*batches: pa.RecordBatch) -> Batches:
    return Batches(batches[0].schema if batches else SCHEMA, batches)


def replace(catalog: Catalog, window: Window, *batches: pa.RecordBatch, target: TableTarget = TARGET) -> WindowResult:
    return replace_window(load_of(catalog, target, stream(*batches), window, PROVENANCE))


def table(catalog: Catalog, target: TableTarget = TARGET) -> Table:
    return catalog.load_table(target.identifier)


def held(catalog: Catalog, windows: Sequence[Window] = (day(-3650, 7300),), target: TableTarget = TARGET) -> pa.Table:
    """What a table holds, oldest first."""
    return read_windows(table(catalog, target), windows).read_all().sort_by("time")
