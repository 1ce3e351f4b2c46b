"""Points that a stream adds while a window of them is loaded from a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog import Catalog

from influx_lake.config import load_lake
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.window import replicate_window
from influx_lake.sources.protocol import ServerInfo
from influx_lake.streaming.stream import Stream
from influx_lake_tests.unit.streaming.topics import NOON, add_all, lake_of, line, rows_of, topics_of


class _Database:
    """A database that gets a late point while a window of it is read."""

    identity = "influxdb3://localhost/telemetry"

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.rows = [(NOON, 1.0)]
        self.reads = 0
        self._meanwhile = meanwhile

    def server(self) -> ServerInfo:
        return ServerInfo("InfluxDB", "3")

    def schema(self, measurement: str) -> MeasurementSchema:
        columns = (
            Column("time", Role.TIME, ColumnType.TIME),
            Column("host", Role.TAG, ColumnType.STRING),
            Column("usage", Role.FIELD, ColumnType.FLOAT),
        )
        return MeasurementSchema(measurement, columns)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[pa.Table]:
        self.reads += 1
        rows = pa.table(
            {
                "time": pa.array([second * 10**9 for second, _ in self.rows], pa.timestamp("ns")),
                "host": ["h0"] * len(self.rows),
                "usage": [value for _, value in self.rows],
            }
        )
        yield _Batches(rows, self._late if self.reads == 1 else lambda: None)

    def _late(self) -> None:
        self._meanwhile()
        self.rows.append((NOON + 5, 5.0))

    def count(self, measurement: str, window: Window) -> int:
        return len(self.rows)


class _Batches:
    def __init__(self, rows: pa.Table, read: Callable[[], None]) -> None:
        self.schema = rows.schema
        self._rows = rows
        self._read = read

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self._rows.to_batches()
        self._read()


def test_a_point_that_comes_while_its_window_is_loaded_is_not_replaced(catalog: Catalog, lake_folder: Path) -> None:
    config = "  default: {host: 'http://localhost:1', database: telemetry}\n  events"
    path = lake_folder / "lake.yaml"
    lake_of(lake_folder)
    text = path.read_text().replace("  events", config, 1)
    path.write_text(text.replace("{cpu: {}, mem: {}}", "{cpu: {stream: events}}"))
    lake = load_lake(path)
    identity = _Database.identity
    stream = Stream(lake, catalog, "events", "test", lambda _: (identity,))
    topics = topics_of(lake)
    topics.put(0, line("cpu", 0, 0, usage=1.0))
    add_all(stream, topics)

    def late() -> None:
        topics.put(0, line("cpu", 0, 5, usage=5.0))
        add_all(stream, topics)

    window = Window.parse("2026-01-01T12:00:00Z/2026-01-01T13:00:00Z")
    database = _Database(late)
    done = replicate_window(database, catalog, lake.find("cpu"), window, run_id="load")  # type: ignore[arg-type]
    assert (database.reads, done.rows) == (2, 2)
    assert [row["usage"] for row in rows_of(catalog, "telemetry.cpu", "time")] == [1.0, 5.0]
    # What it adds to other windows is no reason to read again.
    topics.put(0, line("cpu", 0, 7200, usage=7.0))
    add_all(stream, topics)
    assert table_state(catalog.load_table("telemetry.cpu")).owner == identity
