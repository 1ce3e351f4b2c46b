"""Loads a day with columns that the table does not have.

Usage: evolving_writer.py FOLDER NUMBER
"""

from __future__ import annotations

import sys
from dataclasses import replace as changed

import pyarrow as pa

from influx_lake.config import SchemaEvolution
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.unit.iceberg.columns.test_schema import one_column
from influx_lake_tests.unit.iceberg.tables import TARGET, day, replace


def main(folder: str, number: int) -> None:
    catalog = open_catalog(
        "lake", {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"{folder}/warehouse"}
    )
    wide = number % 2 == 0
    batch = (
        one_column(pa.int64() if wide else pa.int32(), [number + 2**40 if wide else number])
        .set_column(0, "time", pa.array([day(number).start_us * 1000], pa.timestamp("ns")))
        .append_column("common", pa.array([str(number)]))
        .append_column(f"own_{number}", pa.array([number]))
    )
    replace(catalog, day(number), batch, target=changed(TARGET, schema_evolution=SchemaEvolution.FULL))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
