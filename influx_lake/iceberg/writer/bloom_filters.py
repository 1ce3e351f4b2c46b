"""Bloom filters of columns, and their size."""

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
"""Iceberg's defaults."""


@dataclass(frozen=True, slots=True)
class BloomFilter:
    """The bloom filter of a column.

    Attributes:
        chance: The false positive probability.
        most_values: The largest number of distinct values with that probability before the filter gets too large.
    """

    chance: float
    most_values: int


def bloom_filters(table: Table, target: TableTarget, row_group_rows: int) -> dict[str, BloomFilter]:
    """The bloom filters for a table's files, by the columns' names in the files."""
    from pyiceberg.schema import sanitize_column_names

    schema, properties = table.schema(), table.properties
    wanted = asked_for(target)
    if "bloom_filter" not in target.write.model_fields_set:
        # Other tools may have enabled filters for columns that no longer exist.
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
    """The bloom filter argument of the Parquet writer.

    Args:
        rows: The first rows, from which the distinct values of a row group are extrapolated: at most in proportion.
        filters: The filters, by the columns' names in the file.
        row_group_rows: The largest number of rows of a row group.
    """
    options = {}
    for column, wanted in filters.items():
        distinct = pc.count_distinct(decoded(rows.column(column))).as_py()
        foreseen = math.ceil(max(1, distinct) * max(1.0, row_group_rows / max(1, len(rows))))
        options[column] = {"ndv": max(1, min(foreseen, wanted.most_values)), "fpp": wanted.chance}
    return options or None


def _values_in(size: int, chance: float) -> int:
    """The number of values that a filter of a size holds with a probability; the size of filters is a power of two."""
    whole = 2 ** int(math.log2(size))
    return max(1, int(-whole * math.log(1 - chance ** (1 / 8))))
