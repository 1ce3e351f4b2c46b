"""Loads a large window in another order than it comes in and reports its memory: `python -m MODULE ROWS`."""

from __future__ import annotations

import sys
import tempfile
from collections import deque
from dataclasses import replace

from influx_lake.config.tables.file_options import WriteOptions
from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.iceberg.load.replace import replace_window
from influx_lake_tests.unit.iceberg import tables
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, Batches
from testbed.dataset import BATCH_ROWS, SCHEMA, batches
from testbed.loads import load_of
from testbed.local_catalog import local_catalog
from testbed.measure import measured

SORTED = WriteOptions(sort_by=(SortTerm("host"), SortTerm("time")))
TARGET = replace(tables.TARGET, write=SORTED)


def main(rows: int) -> None:
    """Measure the load."""
    # What makes the rows takes its memory before the measuring begins.
    deque(batches(BATCH_ROWS * 32), maxlen=0)
    with tempfile.TemporaryDirectory() as folder:
        catalog = local_catalog(folder)
        coming = Batches(SCHEMA, batches(rows))
        measured(
            lambda: replace_window(load_of(catalog, TARGET, coming, tables.day(0), PROVENANCE)).bytes_written
        ).report()


if __name__ == "__main__":
    main(int(sys.argv[1]))
