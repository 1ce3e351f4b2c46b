"""The columns that are read of a measurement in files, and the rows and columns of them that are passed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from influx_lake.config.values.conditions import columns_of
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.sources.arrow_types import arrow_field
from influx_lake.sources.projected_rows import arrow_condition, with_a_field

_TAG = pa.dictionary(pa.int32(), pa.string())


class WantedColumns:
    """Columns as they are read.

    Args:
        schema: The columns and rows that are wanted.
        names: What files call a column.

    Attributes:
        schema: The columns and rows that are wanted.
        columns: The columns that are read, with what files call them.
        read: The same in Arrow.
        passed_on: The columns that are wanted, in Arrow.
        types: The types of each field's columns, by its name in files, also of those that are not read.
        tags: What files call the tags, also those that are not read.
        left_out: What files call the fields of which no column is read or looked at.
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
        """The rows and columns that are wanted of those that are read."""
        rows = with_a_field(rows, self.schema)
        if self.schema.where is not None:
            condition = arrow_condition(self.schema.where, self.schema.types, rows.schema.names)
            yield from pa.Table.from_batches([rows]).filter(condition).select(self.passed_on.names).to_batches()
        elif len(rows):
            yield rows


def _arrow_field(column: Column) -> pa.Field:
    field = arrow_field(column)
    return field.with_type(_TAG) if column.role is Role.TAG else field
