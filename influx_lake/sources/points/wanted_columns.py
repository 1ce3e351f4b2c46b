"""The columns that are read from files for a measurement, and the rows and columns of them that are passed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from influx_lake.config.values.conditions import columns_of
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.sources.arrow_types import arrow_field
from influx_lake.sources.projected_rows import arrow_condition, with_a_field

_TAG = pa.dictionary(pa.int32(), pa.string())


class WantedColumns:
    """The columns to read.

    Args:
        schema: The wanted columns and rows.
        names: The name of each column in files.

    Attributes:
        schema: The wanted columns and rows.
        columns: The columns to read, with their names in files.
        read: The columns to read, as an Arrow schema.
        passed_on: The wanted columns, as an Arrow schema.
        types: The types of each field's columns, by its name in files, including those that are not read.
        tags: The names of the tags in files, including those that are not read.
        left_out: The names in files of the fields none of whose columns are read or used by the condition.
    """

    def __init__(self, schema: MeasurementSchema, names: Mapping[Column, str]) -> None:
        self.schema = schema
        looked_at = frozenset() if schema.where is None else {*columns_of(schema.where)}
        whole = [(column, names.get(column, column.name)) for column in schema.whole.columns]
        wanted = {column.name for column in schema.columns} | looked_at
        self.columns = [(column, name) for column, name in whole if column.name in wanted]
        self.read = pa.schema([_arrow_field(column) for column, _ in self.columns])
        self.passed_on = pa.schema([_arrow_field(column) for column in schema.columns])
        self.tags = {name for column, name in whole if column.role is Role.TAG}
        self.types: dict[str, set[ColumnType]] = {}
        for column, name in whole:
            if column.role is Role.FIELD:
                self.types.setdefault(name, set()).add(column.type)
        self.left_out = frozenset(self.types) - self.tags - {name for _, name in self.columns}

    def selected(self, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Select the wanted rows and columns of those that were read."""
        rows = with_a_field(rows, self.schema)
        if self.schema.where is not None:
            condition = arrow_condition(self.schema.where, self.schema.types, rows.schema.names)
            yield from pa.Table.from_batches([rows]).filter(condition).select(self.passed_on.names).to_batches()
        elif len(rows):
            yield rows


def _arrow_field(column: Column) -> pa.Field:
    field = arrow_field(column)
    return field.with_type(_TAG) if column.role is Role.TAG else field
