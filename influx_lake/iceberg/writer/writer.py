"""Writes record batches to data files, in memory that does not depend on their number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.columns.schema import file_schema, to_file
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.layout.sort_order import FileOrder
from influx_lake.iceberg.sort.external_sort import sorted_batches
from influx_lake.iceberg.spill.memory_accounting import RowSize, Size
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.encoding_pool import EncodingPool
from influx_lake.iceberg.writer.fanout_writer import FanOut
from influx_lake.iceberg.writer.file_format import FileFormat
from influx_lake.iceberg.writer.partitioner import Partitioner
from influx_lake.iceberg.writer.rolling_writer import FileSink
from influx_lake.iceberg.writer.write_settings import WriteSettings

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

INCOMING_ROWS = 262_144
INCOMING_BYTES = 4 * 2**20
"""The rows and bytes that are cast and split at once."""


class DataFileWriter:
    """Writes rows to rolling Parquet files of a table, one open file per Iceberg partition.

    No file is part of the table until it is committed; `abort` deletes them.

    Args:
        table: The table as it is now; its schema and partition spec apply to all files.
        target: The options with which the files are written.
        order: The sort order of the rows; None: unsorted.
        encoders: The number of row groups that are encoded at once, each in memory of its own; None: as many as pay
            off.

    Raises:
        CatalogRefused: A property of the table for its files has an invalid value.
    """

    def __init__(
        self, table: Table, target: TableTarget, order: FileOrder | None = None, encoders: int | None = None
    ) -> None:
        self.table = table
        self.rows = 0
        self._schema = table.schema()
        self._target = target
        self._settings = WriteSettings.of(table, target)
        self._order = order
        self._stored: pa.Schema | None = None
        self._incoming: list[pa.RecordBatch] = []
        self._incoming_size = Size()
        self._row_size: RowSize | None = None
        self._pool = EncodingPool(encoders)
        self._files: FanOut | None = None
        self._paths: list[str] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch, of the same schema as all others; it is written once enough rows are buffered, or by `finish`.

        Raises:
            DataRefused: A value does not fit its column exactly.
            OSError: A file cannot be written.
        """
        if self._row_size is None:
            self._row_size = RowSize(batch.schema)
        self.rows += len(batch)
        self._incoming.append(batch)
        self._incoming_size.add(len(batch), self._row_size.of(batch))
        if self._incoming_size.reaches(INCOMING_ROWS, INCOMING_BYTES):
            self._distribute()

    def finish(self) -> list[DataFile]:
        """Write what is buffered, close all files and return them."""
        self._distribute()
        finished = self._files.finish() if self._files else []
        self._pool.close()
        return finished

    def abort(self) -> None:
        """Close and delete all files of this writer; those that cannot be deleted stay as orphans."""
        self._pool.close()
        if self._files is not None:
            self._files.give_up()
        delete_files(self.table, self._paths)

    def _distribute(self) -> None:
        if not self._incoming:
            return
        if self._stored is None:
            self._stored = file_schema(self._schema, self._incoming[0].schema)
        rows = to_file(self._incoming, self._schema, self._stored)
        self._incoming, self._incoming_size = [], Size()
        if self._files is None:
            self._files = self._opened(rows)
        self._files.write(rows)

    def _opened(self, rows: pa.Table) -> FanOut:
        partitioner = Partitioner(self.table.spec(), self._schema)
        mixed = not partitioner.is_single(rows)
        form = FileFormat.suiting(rows, self._settings, encode_text=mixed, order=self._order)
        return FanOut(partitioner, FileSink(self.table, self._target, form, self._pool, self._paths))


def write_files(
    table: Table, target: TableTarget, batches: Iterable[pa.RecordBatch], columns: pa.Schema
) -> list[DataFile]:
    """Write rows to files of a table, sorted as the target states; if that fails, all files are deleted.

    Raises:
        StorageError: A file cannot be written.
        LakeError: An exception of the batches.
    """
    terms = target.write.sort_by or ()
    writer = DataFileWriter(table, target, FileOrder.of(table, terms))
    try:
        with catalog_errors(f"write files of {target.name}"):
            for batch in sorted_batches(batches, columns, terms):
                writer.write(batch)
            return writer.finish()
    except BaseException:
        writer.abort()
        raise


def delete_files(table: Table, paths: list[str]) -> None:
    """Delete files that no snapshot references; those that cannot be deleted stay as orphans."""
    for path in paths:
        try:
            table.io.delete(path)
        except OSError:
            continue
