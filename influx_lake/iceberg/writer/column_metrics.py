"""Which column metrics the manifest entry of a file gets, according to the table's `write.metadata.metrics.*`."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from influx_lake.config.tables.table_properties import METRICS, METRICS_COLUMNS, METRICS_OF

if TYPE_CHECKING:
    from pyiceberg.io.pyarrow import StatisticsCollector
    from pyiceberg.table import Table


def statistics_plan(table: Table, whole: Collection[str]) -> dict[int, StatisticsCollector]:
    """The metrics to collect of each column, by field id.

    Args:
        table: The table.
        whole: The columns with untruncated bounds in any case: the time, and the column that distinguishes
            measurements. Without them no file is known to hold replaced rows only, and files would be rewritten instead
            of removed.
    """
    from pyiceberg.io.pyarrow import compute_statistics_plan
    from pyiceberg.schema import sanitize_column_names

    schema, stated = table.schema(), table.properties
    modes: dict[str, str] = {}
    modes |= {METRICS: stated[METRICS]} if METRICS in stated else {}
    # pyiceberg looks the properties up by the names in files, and knows no limit; they have the names of the table.
    in_file = sanitize_column_names(schema)
    limited = METRICS_COLUMNS in stated and METRICS not in stated
    inferred = int(stated[METRICS_COLUMNS]) if limited else len(schema.fields)
    for number, (column, stored) in enumerate(zip(schema.fields, in_file.fields, strict=True)):
        mode = stated.get(METRICS_OF + column.name) or ("none" if number >= inferred else None)
        mode = "full" if column.name in whole else mode
        if mode is not None:
            modes[METRICS_OF + stored.name] = mode
    return compute_statistics_plan(in_file, modes)
