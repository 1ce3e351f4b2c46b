"""Which columns of a table get bloom filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from influx_lake.config.tables import table_properties as names
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.schema import Schema


def check_bloom_filters(target: TableTarget, schema: Schema) -> None:
    """Check that the requested bloom filters are possible.

    Raises:
        SchemaConflict: One is for a missing column, or for a type that cannot have one.
    """
    types = {field.name: field.field_type for field in schema.fields}
    for column in sorted(asked_for(target) - able(schema)):
        if column in types:
            why = f"it is a {types[column]}, and Parquet has no bloom filters of those"
        else:
            why = f"it has no such column, only {', '.join(types)}"
        raise SchemaConflict(
            f"{target.name} cannot have a bloom filter of {column!r}: {why}",
            remedy="Name other columns in write.bloom_filter, as they are called in the table",
        )


def asked_for(target: TableTarget) -> set[str]:
    """The columns for which lake.yaml requests a filter."""
    return set(target.write.bloom_filter) | switched_on(target.properties)


def switched_on(properties: Mapping[str, str]) -> set[str]:
    """The columns whose filter a table's properties enable."""
    return {column for column, is_on in names.columns_with_bloom_filter(properties).items() if is_on}


def able(schema: Schema) -> set[str]:
    """The columns whose type can have a filter."""
    from pyiceberg.types import BooleanType

    return {
        field.name
        for field in schema.fields
        if field.field_type.is_primitive and not isinstance(field.field_type, BooleanType)
    }
