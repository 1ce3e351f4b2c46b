"""Plans and runs SQL over the stored measurements with DataFusion, with InfluxDB 3's column types and messages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import datafusion
import pyarrow as pa
import pyarrow.compute as pc
from datafusion.catalog import Catalog, Schema

from influx_lake.sandbox.faults import Faults
from influx_lake.sandbox.query.file_limit import check_file_limit
from influx_lake.sandbox.query.query_errors import ExecutionError, QueryError
from influx_lake.sandbox.query.relations import Relations
from influx_lake.sandbox.query.system_tables import influxdb_schema, parquet_files, queries
from influx_lake.sandbox.storage.store import AskedQuery, Database
from influx_lake.sandbox.storage.table import Snapshot, Table

BATCH_ROWS = 8192
_SORT_MEMORY = 1024**3
_READ_ONLY = datafusion.SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)


class Answer:
    """A planned query: its schema as sent to clients, and its rows as a stream."""

    def __init__(self, frame: datafusion.DataFrame, keep_alive: object) -> None:
        self._frame = frame
        self._keep_alive = keep_alive
        self.schema = _wire_schema(frame.schema())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Run the query. Tags become plain strings; batches have at most BATCH_ROWS rows."""
        try:
            for batch in self._frame.execute_stream():
                hydrated = _hydrated(batch.to_pyarrow(), self.schema)
                for start in range(0, hydrated.num_rows, BATCH_ROWS):
                    yield hydrated.slice(start, BATCH_ROWS)
        except Exception as problem:
            raise ExecutionError(_message(problem)) from problem


def plan(database: Database, sql: str, params: Mapping[str, Any], faults: Faults) -> Answer:
    """Plan a query against a database.

    Raises:
        QueryError: if it cannot be planned.
    """
    database.queries.append(AskedQuery(sql, time.time_ns()))
    tables = list(database.tables.values())
    snapshots = _snapshots(tables, sql)
    context = _context()
    catalog = Catalog.memory_catalog(context)
    context.register_catalog_provider("public", catalog)
    catalog.register_schema("iox", Schema.memory_schema(context))
    catalog.register_schema("system", Schema.memory_schema(context))
    measurements, system = catalog.schema("iox"), catalog.schema("system")
    relations = Relations(faults)
    for name, snapshot in snapshots.items():
        measurements.register_table(name, relations.measurement(snapshot))
    system.register_table("influxdb_schema", relations.plain(influxdb_schema(tables)))
    system.register_table("queries", relations.plain(queries(database.queries)))
    system.register_table("parquet_files", relations.plain(parquet_files(snapshots)))
    try:
        values = {name: pa.scalar(value) for name, value in params.items()}
        frame = context.sql(sql, options=_READ_ONLY, param_values=values)
    except Exception as problem:
        raise QueryError(_message(problem)) from problem
    if faults.file_limit is not None:
        check_file_limit(frame.optimized_logical_plan().display_indent(), snapshots, faults.file_limit)
    return Answer(frame, snapshots)


def _context() -> datafusion.SessionContext:
    config = (
        datafusion.SessionConfig()
        .with_information_schema(True)
        .with_default_catalog_and_schema("public", "iox")
        .with_target_partitions(1)
        .with_batch_size(BATCH_ROWS)
        .set("datafusion.execution.collect_statistics", "false")
    )
    runtime = datafusion.RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(_SORT_MEMORY)
    return datafusion.SessionContext(config, runtime)


def _snapshots(tables: Iterable[Table], sql: str) -> dict[str, Snapshot]:
    """The measurements that a query can see: rows of those that it mentions, and all schemas if it lists them."""
    text = sql.lower()
    listing = "information_schema" in text or "show" in text
    found = {}
    for table in tables:
        name = table.name.lower()
        if any(spelling in text for spelling in (name, name.replace('"', '""'), name.replace("'", "''"))):
            found[table.name] = table.snapshot()
        elif listing:
            found[table.name] = Snapshot(table.schema, ())
    return found


def _wire_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(_plain(field.type)) for field in schema], schema.metadata)


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return pa.string() if pa.types.is_string_view(kind) else kind


def _hydrated(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        array if array.type == field.type else pc.cast(array, field.type)
        for array, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _message(problem: BaseException) -> str:
    return str(problem).removeprefix("DataFusion error: ")
