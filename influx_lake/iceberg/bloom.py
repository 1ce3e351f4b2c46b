"""Bloom filters of columns: which there are, and how large."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import table_properties as names
from influx_lake.errors import SchemaConflict
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

    from influx_lake.iceberg.write_settings import WriteSettings

CHANCE = 0.01
MOST_BYTES = 2**20
"""Iceberg's own defaults."""


@dataclass(frozen=True, slots=True)
class BloomFilter:
    """The filter of one column.

    Attributes:
        chance: How likely it is to let a value pass that is not there.
        most_values: How many distinct values one can tell with that chance before it is too large.
    """

    chance: float
    most_values: int


def check_bloom_filters(target: TableTarget, schema: Schema) -> None:
    """Check that the filters that were asked for can be.

    Raises:
        SchemaConflict: One is of a column that is not there, or of a type that has none.
    """
    types = {field.name: field.field_type for field in schema.fields}
    for column in sorted(_asked_for(target) - _able(schema)):
        if column in types:
            why = f"it is a {types[column]}, and Parquet has no bloom filters of those"
        else:
            why = f"it has no such column, only {', '.join(types)}"
        raise SchemaConflict(
            f"{target.name} cannot have a bloom filter of {column!r}: {why}",
            remedy="Name other columns in write.bloom_filter, as they are called in the table",
        )


def bloom_filters(table: Table, target: TableTarget, row_group_rows: int) -> dict[str, BloomFilter]:
    """The filters that a table's files are to have, by the columns' names in them."""
    from pyiceberg.schema import sanitize_column_names

    schema, properties = table.schema(), table.properties
    wanted = _asked_for(target)
    if "bloom_filter" not in target.write.model_fields_set:
        # What others asked for may be of columns that are gone.
        wanted |= _switched_on(properties)
    most_bytes = int(properties.get(names.BLOOM_FILTER_BYTES, MOST_BYTES))
    fields = zip(schema.fields, sanitize_column_names(schema).fields, strict=True)
    in_file = {column.name: stored.name for column, stored in fields}
    found = {}
    for column in sorted(wanted & _able(schema)):
        chance = float(properties.get(names.BLOOM_FILTER_CHANCE + column, CHANCE))
        found[in_file[column]] = BloomFilter(chance, min(row_group_rows, _values_in(most_bytes, chance)))
    return found


def bloom_options(rows: pa.Table, settings: WriteSettings) -> dict[str, Any] | None:
    """The argument of the Parquet writer.

    Args:
        rows: The first rows, by whose distinct values those of a row group are foreseen: at most in proportion.
        settings: How files are to be.
    """
    options = {}
    for column, wanted in (settings.bloom_filters or {}).items():
        distinct = pc.count_distinct(_decoded(rows.column(column))).as_py()
        foreseen = math.ceil(max(1, distinct) * max(1.0, settings.row_group_rows / max(1, len(rows))))
        options[column] = {"ndv": max(1, min(foreseen, wanted.most_values)), "fpp": wanted.chance}
    return options or None


def _decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _asked_for(target: TableTarget) -> set[str]:
    return set(target.write.bloom_filter) | _switched_on(target.properties)


def _switched_on(properties: Mapping[str, str]) -> set[str]:
    return {column for column, is_on in names.columns_with_bloom_filter(properties).items() if is_on}


def _able(schema: Schema) -> set[str]:
    """The columns that may have a filter."""
    from pyiceberg.types import BooleanType

    return {
        field.name
        for field in schema.fields
        if field.field_type.is_primitive and not isinstance(field.field_type, BooleanType)
    }


def _values_in(size: int, chance: float) -> int:
    """How many values a filter of a size tells with a chance; a filter's size is a power of two."""
    whole = 2 ** int(math.log2(size))
    return max(1, int(-whole * math.log(1 - chance ** (1 / 8))))
