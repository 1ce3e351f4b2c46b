"""Which metrics of columns a file's entry in a manifest has, as the table's `write.metadata.metrics.*` say."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from influx_lake.config.tables.table_properties import METRICS, METRICS_COLUMNS, METRICS_OF

if TYPE_CHECKING:
    from pyiceberg.io.pyarrow import StatisticsCollector
    from pyiceberg.table import Table


def statistics_plan(table: Table, whole: Collection[str]) -> dict[int, StatisticsCollector]:
    """What is to be collected of each column, by its field id.

    Args:
        table: The table.
        whole: The columns whose bounds are always kept whole: the time, and what tells measurements apart. Without them
            a file cannot be told to hold nothing but what is replaced, and would be rewritten, not dropped.
    """
    from pyiceberg.io.pyarrow import compute_statistics_plan
    from pyiceberg.schema import sanitize_column_names

    schema, stated = table.schema(), table.properties
    modes: dict[str, str] = {}
    modes |= {METRICS: stated[METRICS]} if METRICS in stated else {}
    # pyiceberg asks by the names in the file, and knows no limit; properties have the names in the table.
    in_file = sanitize_column_names(schema)
    limited = METRICS_COLUMNS in stated and METRICS not in stated
    inferred = int(stated[METRICS_COLUMNS]) if limited else len(schema.fields)
    for number, (column, stored) in enumerate(zip(schema.fields, in_file.fields, strict=True)):
        mode = stated.get(METRICS_OF + column.name) or ("none" if number >= inferred else None)
        mode = "full" if column.name in whole else mode
        if mode is not None:
            modes[METRICS_OF + stored.name] = mode
    return compute_statistics_plan(in_file, modes)
