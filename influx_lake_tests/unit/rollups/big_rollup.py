"""Rolls up a day of many rows and prints how much memory that took: `python big_rollup.py FOLDER ROWS`."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import WriteOptions
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.target import Provenance
from influx_lake_tests.unit.rollups.points import SCHEMA, TARGET, day, rolled, rollup
from testbed.loads import load_of
from testbed.local_catalog import local_catalog

BATCH = 65_536
# What is read of a file stays in memory until its end.
SMALL_FILES = replace(TARGET, write=WriteOptions(target_file_size=8_000_000))
COLUMNS = pa.schema([SCHEMA.field(name) for name in ("time", "host", "region", "usage", "count")])


@dataclass
class Points:
    """Rows of a day, a series after the other in time."""

    rows: int
    schema: pa.Schema = COLUMNS

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        window = day()
        step = (window.end_us - window.start_us) * 1000 // self.rows
        for begin in range(0, self.rows, BATCH):
            number = pa.array(range(begin, min(begin + BATCH, self.rows)), pa.int64())
            times = pc.add(pc.multiply(number, step), window.start_us * 1000)
            host = pc.bit_wise_and(number, 1023).cast(pa.string())
            # Spreads over all numbers, in no order.
            spread = pc.bit_wise_and(pc.multiply(number, 2654435761), (1 << 40) - 1)
            region = pc.bit_wise_and(number, 3).cast(pa.string())
            columns = [times.cast(pa.timestamp("ns")), host, region, spread.cast(pa.float64()), spread]
            yield pa.RecordBatch.from_arrays(columns, schema=COLUMNS)


def main(folder: str, rows: int) -> None:
    """Load the day and roll it up."""
    catalog = local_catalog(folder)
    replace_window(load_of(catalog, SMALL_FILES, Points(rows), day(), Provenance("test://telemetry", "run")))
    before = _peak()
    functions = ["mean", "min", "max", "count", "sum", "first", "last", "p95"]
    of = rollup("1m", functions, memory_limit=128_000_000)

    result = rolled(catalog, of)

    print(json.dumps({"before_mb": before, "peak_mb": _peak(), "rows": result.rows, "seconds": result.commit.seconds}))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
