"""Loads some days of one measurement into a table that others load theirs into.

Usage: sharing_writer.py FOLDER MEASUREMENT DAYS
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa

from influx_lake.config.tables.shared_tables import Share
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake_tests.unit.iceberg.tables import Batches, day
from testbed.loads import load_of
from testbed.local_catalog import local_catalog

ROWS = 50


def main(folder: str, measurement: str, days: int) -> None:
    catalog = local_catalog(Path(folder))
    target = TableTarget(("telemetry", "host"), share=Share("measurement", measurement))
    for number in (*range(days), *range(days)):
        start = day(number).start_us * 1000
        rows = pa.record_batch(
            {
                "time": pa.array([start + each * 1000 for each in range(ROWS)], pa.timestamp("ns")),
                "measurement": [measurement] * ROWS,
                "host": [f"h{each}" for each in range(ROWS)],
                f"{measurement}_value": pa.array(range(ROWS), pa.float64()),
            }
        )
        provenance = Provenance(f"test://{measurement}", "run")
        replace_window(load_of(catalog, target, Batches(rows.schema, [rows]), day(number), provenance))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
