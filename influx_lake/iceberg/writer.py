"""Record batches in, data files out, in memory that does not depend on how many come."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from influx_lake.iceberg.partitioning import Partitioner
from influx_lake.iceberg.schema import file_schema, to_file
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.io import OutputStream
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionKey
    from pyiceberg.table import Table

ROW_GROUP_ROWS = 262_144
ROW_GROUP_BYTES = 64 * 2**20
PENDING_BYTES = 128 * 2**20
"""How much waits for its row group, over all partitions, before the largest part is written early."""
MAX_OPEN_FILES = 32
MIN_ROW_GROUP_ROWS = 1_024
FULL_ENOUGH = 0.95
"""A file this near its target size is closed: a row group that still fits would be too small for its overhead."""


class DataFileWriter:
    """Writes rows to rolling Parquet files of a table, one at a time per Iceberg partition.

    Nothing it writes is part of the table until the files are committed; `abort` removes them.

    Args:
        table: The table as it is now; its schema and partition spec hold for all files.
        columns: The schema of the batches.
        target: Encoding, compression and file size.
    """

    def __init__(self, table: Table, columns: pa.Schema, target: TableTarget) -> None:
        self.table = table
        self.rows = 0
        self._schema = table.schema()
        self._target = target
        self._stored = file_schema(self._schema, columns)
        self._partitioner = Partitioner(table.spec(), self._schema)
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
        if self._incoming_size.is_row_group():
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
        for key, part in self._partitioner.split(rows):
            self._partition(key).add(part)
        while sum(partition.pending.bytes for partition in self._partitions.values()) > PENDING_BYTES:
            max(self._partitions.values(), key=lambda partition: partition.pending.bytes).write_row_group()

    def _partition(self, key: PartitionKey | None) -> _PartitionWriter:
        path = key.to_path() if key else ""
        found = self._partitions.pop(path, None)
        if found is None:
            if len(self._partitions) >= MAX_OPEN_FILES:
                oldest = next(iter(self._partitions))
                self._finished += self._partitions.pop(oldest).finish()
            found = _PartitionWriter(self.table, key, self._stored, self._target, self._paths)
        self._partitions[path] = found
        return found


@dataclass(slots=True)
class Size:
    """How much has been collected."""

    rows: int = 0
    bytes: int = 0

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        self.rows += len(rows)
        self.bytes += rows.nbytes

    def is_row_group(self) -> bool:
        return self.rows >= ROW_GROUP_ROWS or self.bytes >= ROW_GROUP_BYTES


@dataclass(slots=True)
class _PartitionWriter:
    """The files of one Iceberg partition, one after the other."""

    table: Table
    key: PartitionKey | None
    stored: pa.Schema
    target: TableTarget
    paths: list[str]
    pending: Size = field(default_factory=Size)
    _tables: list[pa.Table] = field(default_factory=list)
    _open: _OpenFile | None = None
    _files: list[DataFile] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        self._tables.append(rows)
        self.pending.add(rows)
        if self.pending.is_row_group():
            self.write_row_group()

    def write_row_group(self) -> None:
        rows = pa.concat_tables(self._tables)
        self._tables, self.pending = [], Size()
        while len(rows):
            if self._open is None:
                self._open = _OpenFile.create(self.table, self.key, self.stored, self.target)
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


@dataclass(slots=True)
class _OpenFile:
    path: str
    stream: OutputStream
    writer: pq.ParquetWriter
    target_size: int
    rows: int = 0

    @classmethod
    def create(cls, table: Table, key: PartitionKey | None, stored: pa.Schema, target: TableTarget) -> _OpenFile:
        path = table.location_provider().new_data_location(f"{uuid.uuid4()}.parquet", key)
        stream = table.io.new_output(path).create(overwrite=True)
        writer = pq.ParquetWriter(stream, stored, **parquet_options(stored, target))
        return cls(path, stream, writer, target.write.target_file_size)

    def fitting_rows(self, rows: pa.Table) -> int:
        """How many of the rows make the next row group: no more than fit the file, as far as that can be foreseen."""
        in_memory = max(1, int(rows.nbytes) // len(rows))
        on_disk = max(1, self.stream.tell() // self.rows) if self.rows else in_memory
        space = (self.target_size - self.stream.tell()) // on_disk
        return max(MIN_ROW_GROUP_ROWS, min(ROW_GROUP_ROWS, ROW_GROUP_BYTES // in_memory, space))

    def write(self, rows: pa.Table) -> None:
        self.writer.write_table(rows, row_group_size=len(rows))
        self.rows += len(rows)

    def is_full(self) -> bool:
        return self.stream.tell() >= self.target_size * FULL_ENOUGH

    def finish(self, table: Table, key: PartitionKey | None, target: TableTarget) -> DataFile:
        with self.stream:
            self.writer.close()
            size = self.stream.tell()
        return _data_file(table, self.path, size, key, self.writer.writer.metadata, target)

    def close_quietly(self) -> None:
        for closing in (self.writer, self.stream):
            try:
                closing.close()
            except OSError:
                # The file is given up: that its end cannot be written is the reason for it, or changes nothing.
                continue


def parquet_options(stored: pa.Schema, target: TableTarget) -> dict[str, Any]:
    """How pyarrow encodes the columns: each by what it holds, which is both faster and smaller than one way for all."""
    write = target.write
    texts = [column.name for column in stored if _is_text(column.type)]
    steps = [column.name for column in stored if _grows_in_steps(column.type)]
    return {
        "compression": write.compression.value,
        "compression_level": write.compression_level,
        "use_dictionary": texts,
        "column_encoding": dict.fromkeys(steps, "DELTA_BINARY_PACKED"),
        # An embedded Arrow schema would make readers see dictionaries that the Iceberg schema does not have.
        "store_schema": False,
        "write_page_index": True,
    }


def delete_files(table: Table, paths: list[str]) -> None:
    """Delete files that no snapshot refers to; one that cannot be deleted is left as an orphan."""
    for path in paths:
        try:
            table.io.delete(path)
        except OSError:
            continue


def _data_file(
    table: Table, path: str, size: int, key: PartitionKey | None, footer: pq.FileMetaData, target: TableTarget
) -> DataFile:
    from pyiceberg.io.pyarrow import (
        compute_statistics_plan,
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.schema import sanitize_column_names
    from pyiceberg.typedef import Record

    schema = sanitize_column_names(table.schema())
    # Without bounds of its time a file cannot be told to lie inside a window: it would be rewritten, not dropped.
    properties = {**table.metadata.properties, f"write.metadata.metrics.column.{target.time_column}": "full"}
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=compute_statistics_plan(schema, properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=key.partition if key else Record(),
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))


def _grows_in_steps(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_integer(kind))
