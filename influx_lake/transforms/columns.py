"""Columns of transformed rows: names, types, and the source's columns that they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from influx_lake.config.values.source_schema import MADE_OF, VARIANT_OF, Column, ColumnType, MeasurementSchema, Role
from influx_lake.iceberg.columns.schema import arrow_type, with_doc
from influx_lake.sources.arrow_types import ARROW_TYPES

_TYPES = (
    (pa.types.is_boolean, ColumnType.BOOLEAN),
    (pa.types.is_uint64, ColumnType.UINTEGER),
    (pa.types.is_integer, ColumnType.INTEGER),
    (pa.types.is_floating, ColumnType.FLOAT),
    (pa.types.is_decimal, ColumnType.DECIMAL),
    (pa.types.is_timestamp, ColumnType.TIME),
    (pa.types.is_date, ColumnType.DATE),
)


def column_type(kind: pa.DataType) -> ColumnType:
    """The column type for which values of an Arrow type are compared."""
    return next((found for matches, found in _TYPES if matches(kind)), ColumnType.STRING)


TAGS_TYPE = pa.map_(pa.string(), pa.field("value", pa.string(), nullable=False))
"""The type of the column with all tags of a point."""


def arrow_type_of(column: Column) -> pa.DataType:
    """The Arrow type of a column between source and table."""
    if column.type is ColumnType.MAP:
        return TAGS_TYPE
    return ARROW_TYPES[column.type] if column.iceberg_type is None else arrow_type(column.iceberg_type)


def arrow_field(column: Column) -> pa.Field:
    """A column of the rows that a transformed source returns."""
    found = with_doc(pa.field(column.name, arrow_type_of(column), nullable=column.role is not Role.TIME), column.doc)
    more = {} if column.variant_of is None else {VARIANT_OF.encode(): column.variant_of.encode()}
    more |= {} if column.made_of is None else {MADE_OF.encode(): json.dumps(column.made_of).encode()}
    return found.with_metadata({**(found.metadata or {}), **more})


def arrow_schema(schema: MeasurementSchema) -> pa.Schema:
    """A measurement's schema in Arrow."""
    return pa.schema([arrow_field(column) for column in schema.columns])


def renamed(columns: Iterable[Column], names: dict[str, str]) -> list[Column]:
    """Columns of a source, under their names in the table."""
    found = []
    for column in columns:
        name, first = names[column.name], column.variant_of and names[column.variant_of]
        if name == column.name and first == column.variant_of:
            found.append(column)
        else:
            doc = column.doc if name == column.name else f"{column.name!r} in the source"
            found.append(replace(column, name=name, variant_of=first, made_of=(column.name,), doc=doc))
    return found


def kind_changed(column: Column, kind: pa.DataType, iceberg_type: str | None) -> Column:
    """A column with the type of cast values."""
    return replace(column, type=column_type(kind), iceberg_type=iceberg_type, made_of=column.sources)
