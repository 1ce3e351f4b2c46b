"""What is timed, each in a process of its own: `python -m benchmarks.inputs.cases CASE ROWS [LAYOUT | URL TOKEN]`."""

from __future__ import annotations

import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyiceberg.io.pyarrow  # noqa: F401 - a process imports it once, however many windows it writes

from influx_lake.config import InfluxDB3Config, Measurement, Secret, WriteOptions
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.config.tables.table_layout import PartitionTerm
from influx_lake.config.values.windows import Every, Scheme, Window, parse_moment
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.replication.window import replicate_window
from influx_lake.sources.influxdb3 import InfluxDB3Source
from testbed.dataset import BATCH_ROWS, SCHEMA, START, batches
from testbed.loads import load_of
from testbed.local_catalog import local_catalog
from testbed.measure import measured

DATABASE = "bench"
PROVENANCE = Provenance("bench", "run")
SCHEME = Scheme(Every.DAY, parse_moment(START))
WINDOW: Window = SCHEME.window_at(SCHEME.start)
CPU = Measurement(
    key="cpu", name="cpu", source="default", database=DATABASE, namespace=("bench",), table="cpu", scheme=SCHEME
)
TARGET = TableTarget(CPU.identifier)


@dataclass(frozen=True)
class Layout:
    """Rows and the table they go to.

    Attributes:
        days: How many days the rows are dealt to in turns.
        target: The table.
    """

    days: int = 1
    target: TableTarget = TARGET

    @property
    def window(self) -> Window:
        return Window(WINDOW.start, WINDOW.start + timedelta(days=self.days))


LAYOUTS = {
    "one-day": Layout(),
    "by-day": Layout(days=7),
    "sorted": Layout(target=replace(TARGET, write=WriteOptions(sort_by=(SortTerm("host"), SortTerm("time"))))),
    "bucket": Layout(target=replace(TARGET, partition=(PartitionTerm("bucket", "host", 16),))),
}


@dataclass(frozen=True)
class Rows:
    batches: Iterable[pa.RecordBatch]
    schema: pa.Schema = SCHEMA

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.batches)


def to_parquet(rows: Iterable[pa.RecordBatch], schema: pa.Schema, folder: Path) -> int:
    """The reference: pyarrow's writer with zstd and its defaults, fed the batches as they come."""
    path = folder / "raw.parquet"
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)
    return path.stat().st_size


def write_raw(folder: Path, rows: int, layout: str = "one-day") -> Callable[[], int]:
    data = list(batches(rows, days=LAYOUTS[layout].days))
    return lambda: to_parquet(data, SCHEMA, folder)


def write_ours(folder: Path, rows: int, layout: str = "one-day") -> Callable[[], int]:
    data, opened, chosen = list(batches(rows, days=LAYOUTS[layout].days)), local_catalog(folder), LAYOUTS[layout]
    return lambda: replace_window(load_of(opened, chosen.target, Rows(data), chosen.window, PROVENANCE)).bytes_written


def sort_duckdb(folder: Path, rows: int) -> Callable[[], int]:
    """Another sorter: DuckDB's `COPY` of the rows in order, to one file, with one thread and zstd."""
    import duckdb

    data = pa.Table.from_batches(list(batches(rows)))
    connection, path = duckdb.connect(), folder / "sorted.parquet"
    connection.execute(f"set threads = 1; set memory_limit = '256MB'; set temp_directory = '{folder}/spilled'")
    connection.register("data", data)

    def run() -> int:
        connection.execute(
            f"copy (select * from data order by host, time) to '{path}' "
            "(format parquet, compression zstd, row_group_size 262144)"
        )
        return path.stat().st_size

    return run


def stream_ours(folder: Path, rows: int, layout: str = "one-day") -> Callable[[], int]:
    """Rows made as they are written: the memory is the writer's own."""
    opened, chosen = local_catalog(folder), LAYOUTS[layout]
    # What makes the rows takes its memory before the measuring begins.
    deque(batches(BATCH_ROWS * 32), maxlen=0)
    coming = Rows(batches(rows, days=chosen.days))
    return lambda: replace_window(load_of(opened, chosen.target, coming, chosen.window, PROVENANCE)).bytes_written


def flight_raw(folder: Path, _rows: int, url: str, token: str) -> Callable[[], int]:
    source = InfluxDB3Source(InfluxDB3Config(host=url, database=DATABASE, token=Secret(token)))

    def run() -> int:
        with source.read(source.schema("cpu"), WINDOW) as stream:
            return to_parquet(stream, stream.schema, folder)

    return run


def flight_ours(folder: Path, _rows: int, url: str, token: str) -> Callable[[], int]:
    source, opened = (
        InfluxDB3Source(InfluxDB3Config(host=url, database=DATABASE, token=Secret(token))),
        local_catalog(folder),
    )
    return lambda: replicate_window(source, opened, CPU, WINDOW, run_id="run").bytes_written


CASES: dict[str, Callable[..., Callable[[], int]]] = {
    "write-raw": write_raw,
    "write-ours": write_ours,
    "sort-duckdb": sort_duckdb,
    "stream-ours": stream_ours,
    "flight-raw": flight_raw,
    "flight-ours": flight_ours,
}


def main(case: str, rows: str, *arguments: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        measured(CASES[case](Path(folder), int(rows), *arguments)).report()


if __name__ == "__main__":
    main(*sys.argv[1:])
