"""Upserts every row of a large window anew and reports its memory: `python -m MODULE ROWS [--merge-fields]`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake_tests.unit.iceberg import tables
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, Batches
from testbed.dataset import SCHEMA, TAGS, batches
from testbed.loads import load_of
from testbed.local_catalog import local_catalog
from testbed.measure import measured

TARGET = replace(tables.TARGET, key=TAGS)
WINDOW = tables.day(0)
FIELD = SCHEMA.get_field_index("temperature")


def with_gaps(rows: int) -> Iterator[pa.RecordBatch]:
    """The rows with a null in every other value of a field."""
    for batch in batches(rows):
        values = pc.if_else(pa.array(np.arange(len(batch)) % 2 == 0), None, batch.column(FIELD))
        yield batch.set_column(FIELD, batch.schema.field(FIELD), values)


def main(rows: int, *, merging: bool) -> None:
    """Load the window, then measure the upsert."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = local_catalog(folder)
        replace_window(load_of(catalog, TARGET, Batches(SCHEMA, batches(rows)), WINDOW, PROVENANCE))
        again = Batches(SCHEMA, with_gaps(rows) if merging else batches(rows))

        def upsert() -> int:
            return upsert_window(
                load_of(catalog, TARGET, again, WINDOW, PROVENANCE, merge_fields=merging)
            ).bytes_written

        measured(upsert).report()


if __name__ == "__main__":
    main(int(sys.argv[1]), merging="--merge-fields" in sys.argv)
