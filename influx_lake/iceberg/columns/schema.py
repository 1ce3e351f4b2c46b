"""Maps Arrow types to Iceberg types, and casts rows to the exact types of a table.

| Arrow (InfluxDB) | Iceberg | in the file |
|---|---|---|
| string, dictionary of string (tag, string) | string | BYTE_ARRAY, UTF8 |
| int64 (integer) | long | INT64 |
| uint64 (uinteger) | decimal(20, 0), or long as `unsigned` says | FIXED_LEN_BYTE_ARRAY, INT64 |
| double (float) | double | DOUBLE |
| bool (boolean) | boolean | BOOLEAN |
| map of string to string (the tags of the long layout) | map | a group of BYTE_ARRAYs |
| timestamp, the time column | timestamptz, or timestamp as `time_type` says | INT64, microseconds, UTC |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.errors import DataRefused

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType

UINT64_DIGITS = 20
"""18446744073709551615 has twenty digits: no Iceberg integer holds it."""
_DOC = b"doc"


def iceberg_type(arrow: pa.DataType) -> IcebergType:
    """The Iceberg type that holds every value of an Arrow type.

    Raises:
        DataRefused: No Iceberg type (format version 2) holds it.
    """
    from pyiceberg import types as iceberg

    if pa.types.is_dictionary(arrow):
        return iceberg_type(arrow.value_type)
    if pa.types.is_map(arrow):
        # The parts of a map column get their ids in `iceberg_schema`, or from an update of a schema.
        key, value = iceberg_type(arrow.key_type), iceberg_type(arrow.item_type)
        return iceberg.MapType(-1, key, -2, value, value_required=not arrow.item_field.nullable)
    if pa.types.is_timestamp(arrow):
        return iceberg.TimestamptzType() if arrow.tz else iceberg.TimestampType()
    if pa.types.is_decimal128(arrow) and arrow.scale >= 0:
        return iceberg.DecimalType(arrow.precision, arrow.scale)
    if pa.types.is_uint64(arrow):
        return iceberg.DecimalType(UINT64_DIGITS, 0)
    for matches, found in (
        (pa.types.is_boolean, iceberg.BooleanType),
        (lambda kind: pa.types.is_int64(kind) or pa.types.is_uint32(kind), iceberg.LongType),
        (pa.types.is_integer, iceberg.IntegerType),
        (pa.types.is_float64, iceberg.DoubleType),
        (pa.types.is_floating, iceberg.FloatType),
        (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), iceberg.StringType),
        (pa.types.is_string_view, iceberg.StringType),
        (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), iceberg.BinaryType),
        (pa.types.is_date32, iceberg.DateType),
    ):
        if matches(arrow):
            return found()
    raise DataRefused(f"no Iceberg column can hold the Arrow type {arrow}", remedy="Cast the column before storing it")


def arrow_type(words: str) -> pa.DataType:
    """The Arrow type of a primitive Iceberg type, by its name in Iceberg."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow
    from pyiceberg.types import IcebergType

    return plain_type(schema_to_pyarrow(IcebergType.model_validate(words)))


def iceberg_schema(columns: pa.Schema, time_column: str) -> Schema:
    """The schema of a new table: every column but the time is optional.

    Raises:
        DataRefused: A column has no Iceberg type.
    """
    from pyiceberg.schema import Schema, assign_fresh_schema_ids
    from pyiceberg.types import NestedField

    schema = Schema(
        *(
            NestedField(
                field_id=number,
                name=column.name,
                field_type=_time_type(column.type) if column.name == time_column else iceberg_type(column.type),
                required=column.name == time_column,
                doc=doc_of(column),
            )
            for number, column in enumerate(columns, start=1)
        )
    )
    return assign_fresh_schema_ids(schema)


def _time_type(arrow: pa.DataType) -> IcebergType:
    """The Iceberg type of the time column: in nanoseconds where its Arrow type is (format version 3)."""
    from pyiceberg import types as iceberg

    if pa.types.is_timestamp(arrow) and arrow.unit == "ns":
        return iceberg.TimestamptzNanoType() if arrow.tz else iceberg.TimestampNanoType()
    return iceberg_type(arrow)


def with_doc(column: pa.Field, doc: str | None) -> pa.Field:
    """Add a doc to a column, in the metadata that pyiceberg reads it from."""
    return column.with_metadata({_DOC: doc}) if doc else column


def doc_of(column: pa.Field) -> str | None:
    """The doc of a column."""
    found = (column.metadata or {}).get(_DOC)
    return found.decode() if found else None


def file_schema(schema: Schema, columns: pa.Schema) -> pa.Schema:
    """The Arrow schema of data files: the table's columns in its order, with their field ids.

    A string column of dictionary-encoded values stays one up to the Parquet encoder, which saves a second pass.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow
    from pyiceberg.schema import sanitize_column_names

    arrow = schema_to_pyarrow(sanitize_column_names(schema), include_field_ids=True)
    fields, come = [], frozenset(columns.names)
    for stored, field in zip(arrow, schema.fields, strict=True):
        kind = plain_type(stored.type)
        incoming = columns.field(field.name).type if field.name in come else kind
        if pa.types.is_dictionary(incoming) and pa.types.is_string(kind):
            kind = pa.dictionary(incoming.index_type, pa.string())
        fields.append(stored.with_type(kind))
    return pa.schema(fields)


def to_file(batches: list[pa.RecordBatch], schema: Schema, stored: pa.Schema) -> pa.Table:
    """Convert rows to the columns and types of the table's files; missing columns are null.

    Raises:
        DataRefused: A value does not fit its column exactly.
    """
    rows = pa.Table.from_batches(batches)
    # Arrow builds the list of names on each access.
    columns, come = [], frozenset(rows.column_names)
    for field, kind in zip(schema.fields, stored.types, strict=True):
        if field.name in come:
            columns.append(_cast(field.name, rows.column(field.name), kind))
        else:
            columns.append(pa.chunked_array([pa.nulls(len(rows), kind)]))
    return pa.Table.from_arrays(columns, schema=stored)


def _cast(name: str, values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if values.type == kind:
        return values
    try:
        return values.cast(kind)
    except pa.ArrowInvalid as error:
        raise DataRefused(f"column {name!r} holds a value that {kind} cannot hold exactly: {error}") from None


def decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode a dictionary; other values are returned as they are."""
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type with the one layout in which strings and bytes are compared and stored."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_map(kind):
        return pa.map_(*(each.with_type(plain_type(each.type)) for each in (kind.key_field, kind.item_field)))
    return pa.binary() if pa.types.is_large_binary(kind) else kind
