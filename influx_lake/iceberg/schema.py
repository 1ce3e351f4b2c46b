"""Arrow types to Iceberg types, and rows to the exact types a table has.

| Arrow (InfluxDB) | Iceberg | in the file |
|---|---|---|
| string, dictionary of string (tag, string) | string | BYTE_ARRAY, UTF8 |
| int64 (integer) | long | INT64 |
| uint64 (uinteger) | decimal(20, 0) | FIXED_LEN_BYTE_ARRAY |
| double (float) | double | DOUBLE |
| bool (boolean) | boolean | BOOLEAN |
| timestamp, the time column | timestamptz | INT64, microseconds, UTC |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.errors import DataRefused, SchemaConflict

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType

UINT64_DIGITS = 20
"""18446744073709551615 has twenty digits: no Iceberg integer holds it."""


def iceberg_type(arrow: pa.DataType, *, is_time: bool = False) -> IcebergType:
    """The Iceberg type that holds every value of an Arrow type.

    Args:
        arrow: The type as it comes.
        is_time: Whether this is the column that places rows in windows: it is UTC also where Arrow names no zone.

    Raises:
        DataRefused: No Iceberg type (format version 2) holds it.
    """
    from pyiceberg import types as iceberg

    if pa.types.is_dictionary(arrow):
        return iceberg_type(arrow.value_type, is_time=is_time)
    if pa.types.is_timestamp(arrow):
        return iceberg.TimestamptzType() if is_time or arrow.tz else iceberg.TimestampType()
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


def iceberg_schema(columns: pa.Schema, time_column: str) -> Schema:
    """The schema of a new table: every column optional but the time.

    Raises:
        DataRefused: A column has no Iceberg type, or there is no time column.
    """
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    if time_column not in columns.names:
        raise DataRefused(
            f"the rows have no column {time_column!r}, which places them in a window; they have "
            f"{', '.join(columns.names)}",
            remedy="Name the time column in the asset's metadata: time_column",
        )
    return Schema(
        *(
            NestedField(
                field_id=number,
                name=column.name,
                field_type=iceberg_type(column.type, is_time=column.name == time_column),
                required=column.name == time_column,
            )
            for number, column in enumerate(columns, start=1)
        )
    )


def check_types(columns: pa.Schema, schema: Schema, time_column: str, table: str) -> None:
    """Make sure that each column that both sides have fits the table's type without loss.

    Raises:
        SchemaConflict: A column does not; all of them are named.
    """
    conflicts = []
    for column in columns:
        if column.name in schema.column_names:
            there = schema.find_field(column.name).field_type
            if not _widens(here := iceberg_type(column.type, is_time=column.name == time_column), there):
                conflicts.append(f"{column.name!r} is {here} in the source and {there} in the table")
    if conflicts:
        raise SchemaConflict(
            f"the table {table} cannot take the source's types: {'; '.join(conflicts)}",
            remedy="Give the measurement another table (`table:` in lake.yaml), or drop the table and load it again",
        )


def file_schema(schema: Schema, columns: pa.Schema) -> pa.Schema:
    """The Arrow schema of the files: the table's columns with their field ids, in its order.

    A string column that comes as a dictionary stays one up to the encoder, which needs no second pass for it.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow
    from pyiceberg.schema import sanitize_column_names

    arrow = schema_to_pyarrow(sanitize_column_names(schema), include_field_ids=True)
    fields = []
    for stored, field in zip(arrow, schema.fields, strict=True):
        kind = _plain(stored.type)
        incoming = columns.field(field.name).type if field.name in columns.names else kind
        if pa.types.is_dictionary(incoming) and pa.types.is_string(kind):
            kind = pa.dictionary(incoming.index_type, pa.string())
        fields.append(stored.with_type(kind))
    return pa.schema(fields)


def to_file(batches: list[pa.RecordBatch], schema: Schema, stored: pa.Schema) -> pa.Table:
    """The rows in the columns and types of the table's files; a column that does not come is null.

    Raises:
        DataRefused: A value does not fit its column exactly.
    """
    rows = pa.Table.from_batches(batches)
    columns = []
    for field, kind in zip(schema.fields, stored.types, strict=True):
        if field.name in rows.column_names:
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
        if pa.types.is_timestamp(values.type) and values.type.unit == "ns":
            raise _sub_microsecond(name, values) from None
        raise DataRefused(f"column {name!r} holds a value that {kind} cannot hold exactly: {error}") from None


def _sub_microsecond(name: str, values: pa.ChunkedArray) -> DataRefused:
    nanoseconds = values.cast(pa.int64())
    fraction = pc.subtract(nanoseconds, pc.multiply(pc.divide(nanoseconds, 1000), 1000))
    exceeding = values.filter(pc.not_equal(fraction, 0))
    return DataRefused(
        f"column {name!r} holds {len(exceeding)} times finer than a microsecond, the first of them "
        f"{exceeding[0].cast(pa.string())}; Iceberg (format version 2) stores microseconds, and cutting the rest "
        "off could make two points one",
        remedy="Write the points with microsecond precision at most",
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    return pa.binary() if pa.types.is_large_binary(kind) else kind


def _widens(here: IcebergType, there: IcebergType) -> bool:
    from pyiceberg.types import DecimalType, DoubleType, FloatType, IntegerType, LongType

    if here == there:
        return True
    if isinstance(here, DecimalType) and isinstance(there, DecimalType):
        return here.scale == there.scale and here.precision <= there.precision
    return (type(here), type(there)) in {(IntegerType, LongType), (FloatType, DoubleType)}
