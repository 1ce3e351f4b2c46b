"""A measurement of the fake source, and what is in its table."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import timedelta
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement, WriteMode, WriteOptions
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.window import replicate_window
from influx_lake_tests.unit.replication.fake_source import FakeSource

SCHEME = Scheme(Every.DAY, parse_moment("2026-01-01"))
CPU = Measurement("cpu", "cpu", "default", "telemetry", ("telemetry",), "cpu", SCHEME)
APPENDING = changed(CPU, write=WriteOptions(mode=WriteMode.APPEND))
UPSERTING = changed(CPU, write=WriteOptions(mode=WriteMode.UPSERT))


def day(number: int, days: int = 1) -> Window:
    start = SCHEME.start + timedelta(days=number)
    return Window(start, start + timedelta(days=days))


def hours(first: int, last: int) -> Window:
    return Window(SCHEME.start + timedelta(hours=first), SCHEME.start + timedelta(hours=last))


def load(source: FakeSource, catalog: Catalog, window: Window, of: Measurement = CPU, **options: Any) -> WindowResult:
    return replicate_window(source, catalog, of, window, run_id="test", **options)


def held(catalog: Catalog) -> pa.Table:
    order = [("time", "ascending"), ("host", "ascending")]
    return read_windows(catalog.load_table(CPU.identifier), [day(-400, 1200)]).read_all().sort_by(order)


def exact(source: FakeSource, catalog: Catalog) -> bool:
    """Whether the table holds the source's points, each once."""
    there = held(catalog)
    expected = source.rows.sort_by([("time", "ascending"), ("host", "ascending")]).cast(there.schema)
    return bool(there == expected)
