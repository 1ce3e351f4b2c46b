"""Bloom filters of columns: how large they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.tables import table_properties as names
from influx_lake.iceberg.columns.schema import decoded
from influx_lake.iceberg.layout.bloom_columns import able, asked_for, switched_on
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table

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


def bloom_filters(table: Table, target: TableTarget, row_group_rows: int) -> dict[str, BloomFilter]:
    """The filters that a table's files are to have, by the columns' names in them."""
    from pyiceberg.schema import sanitize_column_names

    schema, properties = table.schema(), table.properties
    wanted = asked_for(target)
    if "bloom_filter" not in target.write.model_fields_set:
        # What others asked for may be of columns that are gone.
        wanted |= switched_on(properties)
    most_bytes = int(properties.get(names.BLOOM_FILTER_BYTES, MOST_BYTES))
    fields = zip(schema.fields, sanitize_column_names(schema).fields, strict=True)
    in_file = {column.name: stored.name for column, stored in fields}
    found = {}
    for column in sorted(wanted & able(schema)):
        chance = float(properties.get(names.BLOOM_FILTER_CHANCE + column, CHANCE))
        found[in_file[column]] = BloomFilter(chance, min(row_group_rows, _values_in(most_bytes, chance)))
    return found


def bloom_options(rows: pa.Table, filters: Mapping[str, BloomFilter], row_group_rows: int) -> dict[str, Any] | None:
    """The argument of the Parquet writer.

    Args:
        rows: The first rows, by whose distinct values those of a row group are foreseen: at most in proportion.
        filters: The filters, by the columns' names in the file.
        row_group_rows: How many rows a row group has at most.
    """
    options = {}
    for column, wanted in filters.items():
        distinct = pc.count_distinct(decoded(rows.column(column))).as_py()
        foreseen = math.ceil(max(1, distinct) * max(1.0, row_group_rows / max(1, len(rows))))
        options[column] = {"ndv": max(1, min(foreseen, wanted.most_values)), "fpp": wanted.chance}
    return options or None


def _values_in(size: int, chance: float) -> int:
    """How many values a filter of a size tells with a chance; a filter's size is a power of two."""
    whole = 2 ** int(math.log2(size))
    return max(1, int(-whole * math.log(1 - chance ** (1 / 8))))
