"""Loads windows of one table whose columns grow on the way, and says which are done.

Usage: evolving_worker.py CATALOG_PROPERTIES_AS_JSON WINDOW...
"""

from __future__ import annotations

import json
import sys

import pyarrow as pa

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.unit.iceberg.tables import day, replace, rows


def rows_of(number: int) -> pa.RecordBatch:
    """The rows of a window: every third has a column that the others do not have."""
    made = rows(day(number), 20 + number % 7, value=float(number))
    return made.append_column("level", pa.array([f"level {number}"] * len(made))) if number % 3 == 2 else made


def main(properties: str, *numbers: str) -> None:
    catalog = open_catalog("lake", json.loads(properties))
    for number in map(int, numbers):
        replace(catalog, day(number), rows_of(number))
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
