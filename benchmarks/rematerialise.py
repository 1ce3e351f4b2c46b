"""A day loaded again and again: `python -m benchmarks.rematerialise [--rows N] [--times N] [--json]`

What must not grow with it: the manifests and data files of the current snapshot, the time and memory that a load takes.
Rows are a time, a tag and a value; `peak_mb` is the process's largest resident size after each load, in MB of a million
bytes. Snapshots and the metadata file grow by an entry each: that is what expiring snapshots is for.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from benchmarks.inputs.cases import PROVENANCE, TARGET, WINDOW, Rows
from influx_lake.iceberg.load.replace import replace_window
from testbed.dataset import SCHEMA, batches
from testbed.loads import load_of
from testbed.local_catalog import local_catalog
from testbed.measure import resident_mb

NARROW = ["time", "host", "usage_user"]


def run(rows: int, times: int) -> list[dict[str, float]]:
    """Load the day `times` times and say what there is after each."""
    schema = pa.schema([SCHEMA.field(name) for name in NARROW])
    found: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        opened = local_catalog(Path(folder))
        for number in range(1, times + 1):
            coming = Rows((batch.select(NARROW) for batch in batches(rows)), schema)
            began = time.monotonic()
            done = replace_window(load_of(opened, TARGET, coming, WINDOW, PROVENANCE))
            seconds = time.monotonic() - began
            snapshot = done.table.current_snapshot()
            assert snapshot is not None
            manifests = snapshot.manifests(done.table.io)
            found.append(
                {
                    "load": number,
                    "rows": done.total_rows,
                    "manifests": len(manifests),
                    "data_files": len(list(done.table.scan().plan_files())),
                    "manifest_kb": round(sum(manifest.manifest_length for manifest in manifests) / 1000, 1),
                    "metadata_kb": round(_size(done.table.io, done.table.metadata_location) / 1000, 1),
                    "snapshots": len(done.table.metadata.snapshots),
                    "seconds": round(seconds, 1),
                    "peak_mb": round(resident_mb()),
                }
            )
    return found


def _size(io: object, location: str) -> int:
    return len(io.new_input(location))  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    found = run(arguments.rows, arguments.times)
    if arguments.json:
        print(json.dumps({"rematerialise": found}, indent=2))
        return
    print("".join(f"{name:>13}" for name in found[0]))
    for line in found:
        print("".join(f"{value:>13}" for value in line.values()))


if __name__ == "__main__":
    main()
