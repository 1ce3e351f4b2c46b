"""InfluxDB's column kinds, and the Arrow schema of a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import pyarrow as pa

TIME = "time"
KIND_METADATA = b"iox::column::type"
MEASUREMENT_METADATA = b"iox::measurement::name"


class Kind(StrEnum):
    """A column's kind, by the names of `system.influxdb_schema`."""

    TAG = "tag"
    TIME = "time"
    FLOAT = "float"
    INTEGER = "integer"
    UINTEGER = "uinteger"
    BOOLEAN = "boolean"
    STRING = "string"

    @property
    def iox_name(self) -> str:
        """The server's internal name, as it appears in field metadata and in error messages."""
        match self:
            case Kind.TAG:
                return "iox::column_type::tag"
            case Kind.TIME:
                return "iox::column_type::timestamp"
            case _:
                return f"iox::column_type::field::{self.value}"

    @property
    def arrow_type(self) -> pa.DataType:
        return _ARROW_TYPES[self]


_ARROW_TYPES: dict[Kind, pa.DataType] = {
    Kind.TAG: pa.dictionary(pa.int32(), pa.string()),
    Kind.TIME: pa.timestamp("ns"),
    Kind.FLOAT: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.UINTEGER: pa.uint64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.STRING: pa.string(),
}
_KINDS = {kind.iox_name.encode(): kind for kind in Kind}


def arrow_schema(measurement: str, columns: Mapping[str, Kind]) -> pa.Schema:
    """The stored schema: columns sorted by name, as on the server, tags as dictionaries, time not null."""
    fields = [
        pa.field(name, kind.arrow_type, kind is not Kind.TIME, {KIND_METADATA: kind.iox_name.encode()})
        for name, kind in sorted(columns.items())
    ]
    return pa.schema(fields, {MEASUREMENT_METADATA: measurement.encode()})


def kinds_of(schema: pa.Schema) -> dict[str, Kind]:
    """The kinds of columns, from the metadata of a stored schema."""
    return {field.name: _KINDS[field.metadata[KIND_METADATA]] for field in schema}


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Convert rows to a schema that has grown since they were written: missing columns are null."""
    if table.schema.equals(schema, check_metadata=True):
        return table
    present = set(table.column_names)
    arrays = [
        table.column(field.name) if field.name in present else pa.nulls(table.num_rows, field.type) for field in schema
    ]
    return pa.table(arrays, schema=schema)


def in_one_chunk(table: pa.Table) -> pa.Table:
    """Combine the chunks of every column.

    Tags are encoded again: the index of a null value may be anything, and Arrow follows it when it combines
    dictionaries.
    """
    columns = []
    for column in table.columns:
        if column.num_chunks > 1 and pa.types.is_dictionary(column.type):
            columns.append(column.cast(column.type.value_type).combine_chunks().dictionary_encode())
        else:
            columns.append(column.combine_chunks())
    return pa.table(columns, schema=table.schema)
