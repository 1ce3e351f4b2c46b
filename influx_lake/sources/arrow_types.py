"""The Arrow types of InfluxDB's values, and the schema of a measurement's rows."""

from __future__ import annotations

import pyarrow as pa

from influx_lake.config.values.source_schema import VARIANT_OF, Column, ColumnType, MeasurementSchema, Role

ARROW_TYPES = {
    ColumnType.FLOAT: pa.float64(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.UINTEGER: pa.uint64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.STRING: pa.string(),
    ColumnType.TIME: pa.timestamp("ns"),
}

FIELD_TYPES = frozenset(ARROW_TYPES) - {ColumnType.TIME}
"""The types of InfluxDB's fields."""


def arrow_field(column: Column) -> pa.Field:
    """A column of rows; a variant (values of a field's second type) names its field in the metadata."""
    field = pa.field(column.name, ARROW_TYPES[column.type], nullable=column.role is not Role.TIME)
    return field.with_metadata({VARIANT_OF: column.variant_of}) if column.variant_of is not None else field


def arrow_schema(schema: MeasurementSchema) -> pa.Schema:
    """The schema of a measurement's rows."""
    return pa.schema([arrow_field(column) for column in schema.columns])
