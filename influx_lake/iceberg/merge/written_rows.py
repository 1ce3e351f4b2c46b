"""Files of rows that wait for their commit, written again where the table they are for has become another."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.iceberg.columns.promotion import is_promotion
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.scan.reader import arrow_schema
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.writer import write_files

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


@dataclass(slots=True)
class WrittenRows:
    """Files of rows, for the table as it is when they are committed.

    Another writer may take the field ids that new columns were to get, or change the partition spec. Then the files are
    read back and written anew, from disk and not from the source: their ids must never name another's columns.

    Attributes:
        target: The table.
        table: The table that they were written for.
    """

    target: TableTarget
    table: Table
    files: list[DataFile]
    _again: dict[str, list[DataFile]] = field(default_factory=dict)

    def of(self, table: Table) -> list[DataFile]:
        """The files with the rows for a table.

        Raises:
            StorageError: They cannot be read, or written again.
        """
        if not self.files or _suit(self.table, table):
            return self.files
        state = layout_of(table)
        if state not in self._again:
            columns = arrow_schema(self.table.schema())
            there = [name for name in columns.names if name in table.schema().column_names]
            schema = pa.schema([columns.field(name) for name in there])
            with closing(read_written(self.table, self.files)) as batches:
                rows = (batch.select(there) for batch in batches)
                self._again[state] = write_files(table, self.target, rows, schema)
        return self._again[state]

    def written(self) -> list[DataFile]:
        """Every file that was written."""
        return [*self.files, *(file for files in self._again.values() for file in files)]


def layout_of(table: Table) -> str:
    """What files depend on that are written for a table: its columns with their ids and types, and its partitions."""
    columns = [f"{field.field_id} {field.name} {field.field_type}" for field in table.schema().fields]
    return f"{columns} {table.spec()} {table.sort_order()}"


def read_written(table: Table, files: Iterable[DataFile]) -> Generator[pa.RecordBatch]:
    """The rows of files that were written for a table and are not part of it yet, as the table's are read."""
    from pyarrow.parquet import ParquetFile

    schema = arrow_schema(table.schema())
    with catalog_errors(f"read files of {'.'.join(table.name())}"):
        for file in files:
            with table.io.new_input(file.file_path).open() as stream:
                for batch in ParquetFile(stream).iter_batches():
                    # Files have the table's columns in its order, under names that Parquet allows.
                    columns = [column.cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)]
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _suit(written_for: Table, table: Table) -> bool:
    """Whether the columns of files are those of a table, and their partitions and order too."""
    there = {field.field_id: field for field in table.schema().fields}
    columns = all(
        field.field_id in there
        and field.name == there[field.field_id].name
        and (
            field.field_type == there[field.field_id].field_type
            or is_promotion(field.field_type, there[field.field_id].field_type)
        )
        for field in written_for.schema().fields
    )
    return columns and written_for.spec() == table.spec() and written_for.sort_order() == table.sort_order()
