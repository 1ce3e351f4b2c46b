"""The tables of the `system` schema that loads and checks read."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

import pyarrow as pa

from influx_lake.sandbox.storage.store import AskedQuery
from influx_lake.sandbox.storage.table import Snapshot, Table


def influxdb_schema(tables: Iterable[Table]) -> pa.Table:
    """`system.influxdb_schema`: one row per column."""
    rows = [
        {"measurement": table.name, "key": name, "data_type": kind.value}
        for table in sorted(tables, key=lambda table: table.name)
        for name, kind in sorted(table.columns.items())
    ]
    schema = pa.schema([pa.field(name, pa.string(), False) for name in ("measurement", "key", "data_type")])
    return pa.Table.from_pylist(rows, schema=schema)


def queries(log: Iterable[AskedQuery]) -> pa.Table:
    """`system.queries`: the recorded queries of the database. Durations are not measured."""
    # A copy, as queries may be added concurrently.
    rows = [
        {
            "id": str(uuid.UUID(int=number)),
            "phase": "success",
            "issue_time": query.at,
            "query_type": query.language,
            "query_text": query.text,
            "success": True,
            "running": False,
            "cancelled": False,
        }
        for number, query in enumerate(tuple(log))
    ]
    durations = ("plan", "permit", "execute", "end2end", "compute")
    schema = pa.schema(
        [
            pa.field("id", pa.string(), False),
            pa.field("phase", pa.string(), False),
            pa.field("issue_time", pa.timestamp("ns"), False),
            pa.field("query_type", pa.string(), False),
            pa.field("query_text", pa.string(), False),
            pa.field("partitions", pa.int64()),
            pa.field("parquet_files", pa.int64()),
            *(pa.field(f"{name}_duration", pa.duration("ns")) for name in durations),
            pa.field("max_memory", pa.int64()),
            pa.field("success", pa.bool_(), False),
            pa.field("running", pa.bool_(), False),
            pa.field("cancelled", pa.bool_(), False),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def parquet_files(snapshots: Mapping[str, Snapshot]) -> pa.Table:
    """`system.parquet_files`: the files of the measurements that the query mentions."""
    rows = [
        {
            "table_name": name,
            "path": str(run.path),
            "size_bytes": run.path.stat().st_size,
            "row_count": run.rows,
            "min_time": run.first,
            "max_time": run.last,
        }
        for name, snapshot in snapshots.items()
        for run in snapshot.runs
        if run.path is not None
    ]
    schema = pa.schema(
        [
            pa.field("table_name", pa.string(), False),
            pa.field("path", pa.string(), False),
            pa.field("size_bytes", pa.uint64(), False),
            pa.field("row_count", pa.uint64(), False),
            pa.field("min_time", pa.int64(), False),
            pa.field("max_time", pa.int64(), False),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)
