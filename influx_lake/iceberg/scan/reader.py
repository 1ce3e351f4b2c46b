"""Reads rows of windows from a table."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window
from influx_lake.errors import CatalogRefused
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.columns.schema import plain_type
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.parquet_reader import stored_rows
from influx_lake.iceberg.scan.planning import files_of
from influx_lake.iceberg.scan.row_filter import RowFilter

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table


def find_table(catalog: Catalog, identifier: tuple[str, ...], share: Share | None = None) -> Table | None:
    """Load a table, under the column names of its loads; None where there is none.

    Args:
        catalog: The catalog.
        identifier: Namespace parts and the table's name.
        share: The measurement whose rows are viewed, where the table may hold several.

    Raises:
        CatalogError: The catalog fails.
    """
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    with catalog_errors(f"load the table {'.'.join(identifier)}"):
        try:
            return as_known(catalog.load_table(identifier), share=share)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None


def open_table(catalog: Catalog, identifier: tuple[str, ...], share: Share | None = None) -> Table:
    """Load a table; the arguments are those of `find_table`.

    Raises:
        CatalogError: There is no such table, or the catalog fails.
    """
    table = find_table(catalog, identifier, share)
    if table is None:
        raise CatalogRefused(
            f"there is no table {'.'.join(identifier)} in the catalog {catalog.name}",
            remedy="Load a window of its measurement first: influx-lake replicate, or materialise the asset",
        )
    return table


def check_readable(table: Table) -> None:
    """Check that pyiceberg can apply the deletes of other engines.

    Raises:
        CatalogRefused: The table has equality deletes, which pyiceberg does not read.
    """
    snapshot = table.current_snapshot()
    if snapshot is not None and snapshot.summary and int(snapshot.summary["total-equality-deletes"] or 0):
        name = ".".join(table.name())
        raise CatalogRefused(
            f"{name} has equality deletes (Flink and some CDC tools write them), which pyiceberg cannot apply",
            remedy="Let an engine that reads them rewrite the table's files, in Spark: CALL system.rewrite_data_files("
            f"table => '{name}', options => map('delete-file-threshold', '1', 'remove-dangling-deletes', 'true'))",
        )


def read_windows(
    table: Table,
    windows: Sequence[Window],
    time_column: str = TIME,
    columns: Sequence[str] | None = None,
    snapshot_id: int | None = None,
    encoded: tuple[str, ...] = (),
) -> pa.RecordBatchReader:
    """Stream the rows of some windows, file by file, in memory that does not depend on their number.

    Args:
        table: The table, under the column names of its loads.
        windows: The windows; a row in two of them is yielded once.
        time_column: The time column.
        columns: Only these columns.
        snapshot_id: The snapshot to read; None: the current one.
        encoded: String columns to return as dictionaries, as files hold them.

    Raises:
        CatalogRefused: The table has delete files that cannot be read.
        StorageError: A file cannot be read (while the reader is consumed).
    """
    check_readable(table)
    table = as_known(table)
    wanted = RowFilter.of(windows, table, time_column)
    scan = table.scan(
        row_filter=wanted.expression(table), selected_fields=tuple(columns or ("*",)), snapshot_id=snapshot_id
    )
    schema = pa.schema(list(arrow_columns(scan.projection(), encoded).values()))
    with catalog_errors(f"plan a scan of {'.'.join(table.name())}"):
        tasks = list(scan.plan_files())
    batches = read_tasks(table, tasks, wanted, scan.projection(), encoded)
    return pa.RecordBatchReader.from_batches(schema, (conform(batch, schema) for batch in batches))


def read_tasks(
    table: Table,
    tasks: Iterable[FileScanTask],
    wanted: RowFilter | None,
    projection: Schema,
    encoded: tuple[str, ...] = (),
) -> Generator[pa.RecordBatch]:
    """Stream the rows of planned files, one file at a time, with other engines' deletes applied.

    pyiceberg's own batch reader decodes whole files ahead of its consumer, and its scan a large part of each file.

    Args:
        table: The table.
        tasks: The files.
        wanted: Only these rows.
        projection: Only these columns.
        encoded: String columns to return as dictionaries, as files hold them.
    """
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan, _read_all_delete_files

    if encoded:
        logging.getLogger("pyiceberg.io.pyarrow").addFilter(_says_more_than_that_text_is_encoded)
    tasks = list(tasks)
    with catalog_errors(f"read {'.'.join(table.name())}"):
        row_filter = wanted.expression(table) if wanted is not None else AlwaysTrue()
        scan = ArrowScan(table.metadata, table.io, projection, row_filter, dictionary_columns=encoded)
        deletes = _read_all_delete_files(table.io, tasks)
        columns = arrow_columns(projection, encoded)
        for task in tasks:
            if not (yield from stored_rows(table, task, wanted, columns)):
                yield from scan._record_batches_from_scan_tasks_and_deletes([task], deletes)


def count_rows(table: Table, window: Window, time_column: str = TIME) -> int:
    """The number of rows of a window; only straddling files are read."""
    check_readable(table)
    table = as_known(table)
    with catalog_errors(f"count the rows of {'.'.join(table.name())}"):
        files = files_of(table, window, time_column)
    counted = sum(task.file.record_count for task in files.inside)
    if files.straddling:
        projection = table.schema().select(time_column)
        batches = read_tasks(table, files.straddling, RowFilter.of([window], table, time_column), projection)
        counted += sum(len(batch) for batch in batches)
    return counted


def _says_more_than_that_text_is_encoded(record: logging.LogRecord) -> bool:
    # pyiceberg warns about dictionaries for every column of every batch, although they were requested.
    return not str(record.msg).startswith("Iceberg does not have a dictionary type")


def arrow_schema(schema: Schema) -> pa.Schema:
    """The Arrow schema with which a table's rows are read: plain strings, no field ids."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    arrow = schema_to_pyarrow(schema, include_field_ids=False)
    return pa.schema([field.with_type(plain_type(field.type)) for field in arrow])


def arrow_columns(projection: Schema, encoded: tuple[str, ...] = ()) -> dict[int, pa.Field]:
    """The columns that rows are read with, by their field ids; text that is to be `encoded` as dictionaries."""
    kind = pa.dictionary(pa.int32(), pa.string())
    columns = zip(projection.fields, arrow_schema(projection), strict=True)
    return {field.field_id: column.with_type(kind) if column.name in encoded else column for field, column in columns}


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Cast a batch to exactly these types: files of one table may be decoded to different string types."""
    if batch.schema == schema:
        return batch
    columns = zip(batch.columns, schema.types, strict=True)
    return pa.RecordBatch.from_arrays([_as(values, kind) for values, kind in columns], schema=schema)


def _as(values: pa.Array, kind: pa.DataType) -> pa.Array:
    encode = pa.types.is_dictionary(kind) and not pa.types.is_dictionary(values.type)
    return (values.dictionary_encode() if encode else values).cast(kind)
