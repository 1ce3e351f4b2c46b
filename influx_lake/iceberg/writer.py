"""Record batches in, data files out, in memory that does not depend on how many come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.data_file import OpenFile
from influx_lake.iceberg.file_format import FileFormat
from influx_lake.iceberg.partitioning import Partitioner
from influx_lake.iceberg.schema import file_schema, to_file
from influx_lake.iceberg.sort_order import FileOrder
from influx_lake.iceberg.sorting import sorted_batches
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.translation import catalog_errors
from influx_lake.iceberg.write_settings import WriteSettings

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionKey
    from pyiceberg.table import Table

INCOMING_ROWS = 262_144
INCOMING_BYTES = 6 * 2**20
"""How much is cast and split at once."""
PENDING_BYTES = 32 * 2**20
"""How much waits for its row group, over all partitions, before the largest part is written early."""
MAX_OPEN_FILES = 64


class DataFileWriter:
    """Writes rows to rolling Parquet files of a table, one at a time per Iceberg partition.

    Nothing it writes is part of the table until the files are committed; `abort` removes them.

    Args:
        table: The table as it is now; its schema and partition spec hold for all files.
        columns: The schema of the batches.
        target: How the files are to be.
        order: The order that the rows come in; None: in any.

    Raises:
        CatalogRefused: A property of the table says something of its files that cannot be done.
    """

    def __init__(self, table: Table, columns: pa.Schema, target: TableTarget, order: FileOrder | None = None) -> None:
        self.table = table
        self.rows = 0
        self._schema = table.schema()
        self._target = target
        self._settings = WriteSettings.of(table, target)
        self._order = order
        self._stored = file_schema(self._schema, columns)
        self._partitioner = Partitioner(table.spec(), self._schema)
        self._format: FileFormat | None = None
        self._incoming: list[pa.RecordBatch] = []
        self._incoming_size = Size()
        self._partitions: dict[str, _PartitionWriter] = {}
        self._finished: list[DataFile] = []
        self._paths: list[str] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch; it is on disk when enough of them have come, or at `finish`.

        Raises:
            DataRefused: A value does not fit its column exactly.
            OSError: A file cannot be written.
        """
        self.rows += len(batch)
        self._incoming.append(batch)
        self._incoming_size.add(batch)
        if self._incoming_size.reaches(INCOMING_ROWS, INCOMING_BYTES):
            self._distribute()

    def finish(self) -> list[DataFile]:
        """Write what waits, close every file and return them all."""
        self._distribute()
        for partition in self._partitions.values():
            self._finished += partition.finish()
        self._partitions.clear()
        return self._finished

    def abort(self) -> None:
        """Close and delete every file of this writer; what cannot be deleted stays behind as an orphan."""
        for partition in self._partitions.values():
            partition.close_quietly()
        delete_files(self.table, self._paths)

    def _distribute(self) -> None:
        if not self._incoming:
            return
        rows = to_file(self._incoming, self._schema, self._stored)
        self._incoming, self._incoming_size = [], Size()
        if self._format is None:
            mixed = not self._partitioner.is_single(rows)
            self._format = FileFormat.suiting(rows, self._settings, encode_text=mixed, order=self._order)
        rows = self._format.conform(rows)
        for key, part in self._partitioner.split(rows):
            self._partition(key, self._format).add(part)
        most = max(PENDING_BYTES, self._settings.pending_bytes)
        while sum(partition.pending.bytes for partition in self._partitions.values()) > most:
            max(self._partitions.values(), key=lambda partition: partition.pending.bytes).write_row_group()

    def _partition(self, key: PartitionKey | None, form: FileFormat) -> _PartitionWriter:
        path = key.to_path() if key else ""
        found = self._partitions.pop(path, None)
        if found is None:
            if len(self._partitions) >= MAX_OPEN_FILES:
                oldest = next(iter(self._partitions))
                self._finished += self._partitions.pop(oldest).finish()
            found = _PartitionWriter(self.table, key, form, self._target, self._paths)
        self._partitions[path] = found
        return found


def write_files(
    table: Table, target: TableTarget, batches: Iterable[pa.RecordBatch], columns: pa.Schema
) -> list[DataFile]:
    """Write rows to files of a table, sorted as was asked for; when that fails, none of them stays.

    Raises:
        StorageError: A file cannot be written.
        LakeError: What the batches raise.
    """
    terms = target.write.sort_by or ()
    writer = DataFileWriter(table, columns, target, FileOrder.of(table, terms))
    try:
        with catalog_errors(f"write files of {target.name}"):
            for batch in sorted_batches(batches, columns, terms):
                writer.write(batch)
            return writer.finish()
    except BaseException:
        writer.abort()
        raise


@dataclass(slots=True)
class Size:
    """How much has been collected."""

    rows: int = 0
    bytes: int = 0

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        self.rows += len(rows)
        self.bytes += _own_bytes(rows)

    def reaches(self, rows: int, size: int) -> bool:
        return self.rows >= rows or self.bytes >= size


@dataclass(slots=True)
class _PartitionWriter:
    """The files of one Iceberg partition, one after the other."""

    table: Table
    key: PartitionKey | None
    form: FileFormat
    target: TableTarget
    paths: list[str]
    pending: Size = field(default_factory=Size)
    _tables: list[pa.Table] = field(default_factory=list)
    _open: OpenFile | None = None
    _files: list[DataFile] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        self._tables.append(rows)
        self.pending.add(rows)
        if self.pending.reaches(self.form.settings.row_group_rows, self.form.settings.row_group_bytes):
            self.write_row_group()

    def write_row_group(self) -> None:
        rows = self.form.conform(pa.concat_tables(self._tables))
        self._tables, self.pending = [], Size()
        while len(rows):
            if self._open is None:
                self._open = OpenFile.create(self.table, self.key, self.form)
                self.paths.append(self._open.path)
            part = rows.slice(0, self._open.fitting_rows(rows))
            rows = rows.slice(len(part))
            self._open.write(part)
            if self._open.is_full():
                self._files.append(self._close())

    def finish(self) -> list[DataFile]:
        if self._tables:
            self.write_row_group()
        if self._open is not None:
            self._files.append(self._close())
        return self._files

    def close_quietly(self) -> None:
        if self._open is not None:
            self._open.close_quietly()

    def _close(self) -> DataFile:
        assert self._open is not None
        closing, self._open = self._open, None
        return closing.finish(self.table, self.key, self.target)


def delete_files(table: Table, paths: list[str]) -> None:
    """Delete files that no snapshot refers to; one that cannot be deleted is left as an orphan."""
    for path in paths:
        try:
            table.io.delete(path)
        except OSError:
            continue


def _own_bytes(rows: pa.RecordBatch | pa.Table) -> int:
    """The memory of rows without their dictionaries, which many slices share."""
    return sum(_own_column_bytes(column) for column in rows.columns)


def _own_column_bytes(column: pa.Array | pa.ChunkedArray) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return sum(int(chunk.indices.nbytes) for chunk in chunks)
