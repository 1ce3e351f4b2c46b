"""Loads a day into a table that has not yet the properties that are stated.

Usage: stating_writer.py FOLDER NUMBER
"""

from __future__ import annotations

import sys
from dataclasses import replace as changed

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.unit.iceberg.tables import TARGET, day, replace, rows


def main(folder: str, number: int) -> None:
    catalog = open_catalog(
        "lake", {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"{folder}/warehouse"}
    )
    target = changed(TARGET, properties={"common": "same", f"own-{number}": str(number)})
    replace(catalog, day(number), rows(day(number), 10), target=target)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
