"""A Parquet file of a table, from its first row group to its manifest entry."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from influx_lake.iceberg.spill.memory_accounting import RowSize
from influx_lake.iceberg.spill.text_dictionary import with_used_values
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.column_metrics import statistics_plan
from influx_lake.iceberg.writer.file_format import FileFormat
from influx_lake.iceberg.writer.write_settings import WriteSettings

if TYPE_CHECKING:
    from pyiceberg.io import OutputStream
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionKey
    from pyiceberg.table import Table

MIN_ROW_GROUP_ROWS = 1_024
FULL_ENOUGH = 0.95
"""A file is closed at this fraction of its target size: a further row group would be too small for its overhead."""


@dataclass(slots=True)
class OpenFile:
    """A file that is being written."""

    path: str
    stream: OutputStream
    writer: pq.ParquetWriter
    settings: WriteSettings
    row_size: RowSize
    sort_order_id: int | None
    rows: int = 0

    @classmethod
    def create(cls, table: Table, key: PartitionKey | None, form: FileFormat) -> OpenFile:
        path = table.location_provider().new_data_location(f"{uuid.uuid4()}.parquet", key)
        stream = table.io.new_output(path).create(overwrite=True)
        writer = pq.ParquetWriter(stream, form.written, **form.options)
        order_id = form.order.order_id if form.order else None
        return cls(path, stream, writer, form.settings, form.row_size, order_id)

    def fitting_rows(self, rows: pa.Table) -> int:
        """The number of rows for the next row group: no more than fit into the file, by an estimate."""
        in_memory = max(1, self.row_size.of(rows) // len(rows))
        on_disk = max(1, self.stream.tell() // self.rows) if self.rows else in_memory
        space = (self.settings.target_file_size - self.stream.tell()) // on_disk
        fitting = min(self.settings.row_group_bytes // in_memory, space)
        return min(self.settings.row_group_rows, max(MIN_ROW_GROUP_ROWS, fitting))

    def write(self, rows: pa.Table) -> None:
        """Write one row group."""
        self.writer.write_table(with_used_values(rows), row_group_size=len(rows))
        self.rows += len(rows)

    def is_full(self) -> bool:
        return self.stream.tell() >= self.settings.target_file_size * FULL_ENOUGH

    def finish(self, table: Table, key: PartitionKey | None, target: TableTarget) -> DataFile:
        """Close the file and build its manifest entry."""
        with self.stream:
            self.writer.close()
            size = self.stream.tell()
        return describe(table, self.path, size, key, self.writer.writer.metadata, target, self.sort_order_id)

    def close_quietly(self) -> None:
        """Close an abandoned file."""
        for closing in (self.writer, self.stream):
            try:
                closing.close()
            except OSError:
                # The file is abandoned: that its footer cannot be written may be the reason, or does not matter.
                continue


def describe(
    table: Table,
    path: str,
    size: int,
    key: PartitionKey | None,
    footer: pq.FileMetaData,
    target: TableTarget,
    sort_order_id: int | None,
) -> DataFile:
    """Build the manifest entry of a file: its partition and column metrics."""
    from pyiceberg.io.pyarrow import (
        data_file_statistics_from_parquet_metadata,
        parquet_path_to_id_mapping,
    )
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.schema import sanitize_column_names
    from pyiceberg.typedef import Record

    schema = sanitize_column_names(table.schema())
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=footer,
        stats_columns=statistics_plan(table, target.whole_bounds),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=key.partition if key else Record(),
        file_size_in_bytes=size,
        sort_order_id=sort_order_id,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
