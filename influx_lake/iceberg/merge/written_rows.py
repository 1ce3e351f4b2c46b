"""Files of rows that wait for their commit, rewritten where the table has changed since they were written."""

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
    from collections.abc import Generator, Iterable, Sequence

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class WrittenFiles:
    """Files of rows.

    Attributes:
        table: The table that they were written for, in its state at the time.
        files: The files.
    """

    table: Table
    files: Sequence[DataFile]


@dataclass(slots=True)
class WrittenRows:
    """Files of rows that wait for their commit to the table as it is then.

    Another writer may take the field ids that new columns were to get, or change the partition spec. Then the files are
    read back and rewritten, from disk and not from the source: their field ids must never denote another's columns.

    Attributes:
        target: The table.
        parts: The files; several where they were written for different states of the table.
        kept: Whether the files stay if they are not committed, since other processes know of them.
    """

    target: TableTarget
    parts: Sequence[WrittenFiles]
    kept: bool = False
    _again: dict[tuple[int, str], list[DataFile]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there are no files."""
        return not any(part.files for part in self.parts)

    def of(self, table: Table) -> list[DataFile]:
        """The files of the rows, in the layout of a table.

        Raises:
            StorageError: They cannot be read or rewritten.
        """
        return [file for number in range(len(self.parts)) for file in self._part_of(number, table)]

    def read(self, schema: pa.Schema) -> Generator[pa.RecordBatch]:
        """Yield the rows, in the columns of a later state of the table, as its rows are read.

        Raises:
            StorageError: They cannot be read.
        """
        for part in self.parts:
            with closing(read_written(part.table, part.files)) as batches:
                for batch in batches:
                    yield padded(batch, schema)

    def written(self) -> list[DataFile]:
        """Every file to delete if it is not committed."""
        files = [] if self.kept else [file for part in self.parts for file in part.files]
        return [*files, *(file for again in self._again.values() for file in again)]

    def _part_of(self, number: int, table: Table) -> Sequence[DataFile]:
        part = self.parts[number]
        if not part.files or _suit(part.table, table):
            return part.files
        state = (number, layout_of(table))
        if state not in self._again:
            columns = arrow_schema(part.table.schema())
            there = [name for name in columns.names if name in table.schema().column_names]
            schema = pa.schema([columns.field(name) for name in there])
            with closing(read_written(part.table, part.files)) as batches:
                rows = (batch.select(there) for batch in batches)
                self._again[state] = write_files(table, self.target, rows, schema)
        return self._again[state]


def layout_of(table: Table) -> str:
    """What files for a table depend on: its columns with field ids and types, partition spec and sort order."""
    columns = [f"{field.field_id} {field.name} {field.field_type}" for field in table.schema().fields]
    return f"{columns} {table.spec()} {table.sort_order()}"


def read_written(table: Table, files: Iterable[DataFile]) -> Generator[pa.RecordBatch]:
    """Yield the rows of files that were written for a table and are not committed yet, as the table's are read."""
    from pyarrow.parquet import ParquetFile

    schema = arrow_schema(table.schema())
    with catalog_errors(f"read files of {'.'.join(table.name())}"):
        for file in files:
            with table.io.new_input(file.file_path).open() as stream:
                for batch in ParquetFile(stream).iter_batches():
                    # Files have the table's columns in its order, under names that Avro allows.
                    columns = [column.cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)]
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)


def padded(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Pad a batch to a schema that other writers may have widened since."""
    if batch.schema == schema:
        return batch
    come = frozenset(batch.schema.names)
    columns = [
        batch.column(field.name).cast(field.type) if field.name in come else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _suit(written_for: Table, table: Table) -> bool:
    """Whether files written for one state of a table suit another: columns, partition spec and sort order."""
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
