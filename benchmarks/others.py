"""The same rows written by others: `python -m benchmarks.others CASE ROWS`. Each commits one Iceberg append."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from benchmarks.inputs.cases import CPU
from influx_lake.iceberg.columns.schema import iceberg_schema
from testbed.dataset import SCHEMA, batches
from testbed.local_catalog import local_catalog
from testbed.measure import measured

if TYPE_CHECKING:
    from pyiceberg.table import Table

MICROSECONDS = SCHEMA.set(0, SCHEMA.field("time").with_type(pa.timestamp("us", "UTC")))
"""None of them takes nanoseconds: their rows have microseconds before the clock starts."""


def append_pyiceberg(table: Table, data: list[pa.RecordBatch]) -> None:
    table.append(pa.RecordBatchReader.from_batches(MICROSECONDS, data))


def sink_polars(table: Table, data: list[pa.RecordBatch]) -> None:
    import polars as pl

    pl.LazyFrame(pa.Table.from_batches(data)).sink_iceberg(table, mode="append", compression="zstd")


def write_daft(table: Table, data: list[pa.RecordBatch]) -> None:
    import daft  # type: ignore[import-not-found]

    daft.from_arrow(pa.Table.from_batches(data)).write_iceberg(table, mode="append")


def run_dlt(table: Table, data: list[pa.RecordBatch]) -> None:
    import dlt  # type: ignore[import-not-found]

    destination = dlt.destinations.filesystem(bucket_url=f"{table.location()}-dlt")
    # It keeps a copy of the files that it made on the way, which are no part of the table.
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("bench", destination=destination, pipelines_dir=folder)
        pipeline.run(pa.Table.from_batches(data), table_name="cpu", table_format="iceberg")


OTHERS: dict[str, Callable[[Table, list[pa.RecordBatch]], None]] = {
    "pyiceberg": append_pyiceberg,
    "polars": sink_polars,
    "daft": write_daft,
    "dlt": run_dlt,
}


def main(case: str, rows: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        opened = local_catalog(Path(folder))
        opened.create_namespace(CPU.namespace)
        properties = {"write.parquet.compression-codec": "zstd"}
        table = opened.create_table(CPU.identifier, iceberg_schema(MICROSECONDS, "time"), properties=properties)
        data = [batch.cast(MICROSECONDS) for batch in batches(int(rows))]

        def run() -> int:
            OTHERS[case](table, data)
            return sum(file.stat().st_size for file in Path(folder).rglob("*.parquet"))

        measured(run).report()


if __name__ == "__main__":
    main(*sys.argv[1:])
