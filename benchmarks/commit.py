"""What one commit costs when a table has many snapshots: `python -m benchmarks.commit [--runs N] [--json]`

A window of ten rows is loaded again and again into a table on the local disk; at 1, 100 and 1,000 snapshots the median
of some loads is taken. `floor_ms` is pyiceberg's own part: one load of the table and one commit of a property.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from benchmarks.inputs.cases import TARGET, WINDOW, Rows
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.target import Provenance
from testbed.dataset import batches
from testbed.loads import load_of
from testbed.local_catalog import local_catalog

SNAPSHOTS = (1, 100, 1_000)


def run(runs: int) -> list[dict[str, float]]:
    """Measure at each number of snapshots."""
    found = []
    rows: list[pa.RecordBatch] = list(batches(10))
    with tempfile.TemporaryDirectory() as folder:
        opened = local_catalog(Path(folder))

        def load() -> None:
            replace_window(load_of(opened, TARGET, Rows(rows), WINDOW, Provenance("bench", "run")))  # type: ignore[arg-type]

        load()
        for snapshots in SNAPSHOTS:
            table = opened.load_table(TARGET.identifier)  # type: ignore[attr-defined]
            for _ in range(snapshots - len(table.metadata.snapshots)):
                load()
            wall, cpu = _median(load, runs)
            table = opened.load_table(TARGET.identifier)  # type: ignore[attr-defined]
            floor = _median(lambda: _floor(opened), runs)[1]
            size = len(table.io.new_input(table.metadata_location).open().read())
            found.append(
                {
                    "snapshots": snapshots,
                    "wall_ms": round(wall * 1000, 1),
                    "cpu_ms": round(cpu * 1000, 1),
                    "floor_ms": round(floor * 1000, 1),
                    "metadata_kb": round(size / 1000, 1),
                }
            )
    return found


def _floor(opened: object) -> None:
    table = opened.load_table(TARGET.identifier)  # type: ignore[attr-defined]
    with table.transaction() as transaction:
        transaction.set_properties({"bench": str(time.monotonic_ns())})


def _median(action: Callable[[], None], runs: int) -> tuple[float, float]:
    """Seconds by the clock, and of CPU."""
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    found = run(arguments.runs)
    if arguments.json:
        print(json.dumps({"commit": found}, indent=2))
        return
    print(f"{'snapshots':>10}{'wall ms':>10}{'CPU ms':>10}{'floor ms':>10}{'metadata kB':>13}")
    for line in found:
        print("".join(f"{line[name]:>{width}}" for name, width in zip(line, (10, 10, 10, 10, 13), strict=True)))


if __name__ == "__main__":
    main()
