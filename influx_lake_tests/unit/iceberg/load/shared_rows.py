"""Rows of several measurements in one table, and what is known of each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import find_table, open_table
from influx_lake.iceberg.table_state import TableState, table_state
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_result import WindowResult
from influx_lake_tests.unit.iceberg.tables import Batches, day
from testbed.loads import load_of

NAME = ("telemetry", "host_metrics")
FIELDS = {"cpu": "usage", "mem": "used", "disk_of_a_name_beyond_sixteen": "free"}
CPU, MEM, DISK = FIELDS
Key = tuple[str, int, str | None]
"""A measurement, a number of half hours since the first day, and a host."""
Points = dict[tuple[int, str | None], float]


def target(measurement: str, **options: Any) -> TableTarget:
    """The share that a measurement has of the table."""
    return TableTarget(
        NAME,
        key=("host",),
        tags=("host",),
        **{"share": Share("measurement", measurement), **options},
    )


def batch(measurement: str, points: Points) -> pa.RecordBatch:
    """Points of a measurement, each with the field that only it has."""
    times = [(day(0).start_us + step * 1_800_000_000) * 1000 for step, _ in points]
    return pa.record_batch(
        {
            "time": pa.array(times, pa.timestamp("ns")),
            "measurement": pa.array([measurement] * len(points), pa.string()).dictionary_encode(),
            "host": pa.array([host for _, host in points], pa.string()),
            FIELDS[measurement]: pa.array(list(points.values()), pa.float64()),
        }
    )


def source(measurement: str) -> Provenance:
    return Provenance(f"test://{measurement}/telemetry", "run-1")


def replace(catalog: Catalog, measurement: str, window: Window, points: Points) -> WindowResult:
    rows = batch(measurement, points)
    return replace_window(
        load_of(catalog, target(measurement), Batches(rows.schema, [rows]), window, source(measurement))
    )


def view(catalog: Catalog, measurement: str) -> Table:
    return open_table(catalog, NAME, Share("measurement", measurement))


def state(catalog: Catalog, measurement: str) -> TableState:
    return table_state(find_table(catalog, NAME, Share("measurement", measurement)))


def held(catalog: Catalog) -> dict[Key, float]:
    """Every row of the table, read as any engine reads it."""
    found: dict[Key, float] = {}
    for row in catalog.load_table(NAME).scan().to_arrow().to_pylist():
        step = (row["time"] - day(0).start) // timedelta(minutes=30)
        key = (row["measurement"], step, row["host"])
        assert key not in found, "no row twice"
        found[key] = row[FIELDS[row["measurement"]]]
        assert all(row.get(other) is None for name, other in FIELDS.items() if name != row["measurement"])
    return found
