"""What upserting a window costs beside replacing it: `python -m benchmarks.modes [--rows N] [--runs N] [--json]`

The window holds the rows already and the same points come again: with a null in every other row where fields are
merged, every other one of them for `half`, in another order for `shuffled`. The figures are CPU seconds over those of
replacing the window; `merge_fields_ratio` is the largest of those that merge fields; `over_input_mb` is the largest
resident size above the rows that come, which wait in memory.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.inputs.cases import TARGET, WINDOW, Rows
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.target import Provenance
from testbed.dataset import TAGS, batches
from testbed.loads import load_of
from testbed.local_catalog import local_catalog
from testbed.measure import Cost, in_process, measured, median

PROVENANCE = Provenance("bench", "run")
GAPS = 5
BY_TAGS = replace(TARGET, key=TAGS)
UPSERTS = ("upsert", "merge_fields", "half", "half_merge_fields", "shuffled", "shuffled_merge_fields")
CASES = ("replace", *UPSERTS)


def coming(name: str, rows: int) -> Iterator[pa.RecordBatch]:
    """The rows that come in a case."""
    for batch in batches(rows):
        chosen = batch.take(pa.array(np.arange(0, len(batch), 2))) if name.startswith("half") else batch
        yield _with_gaps(_shuffled(chosen, name.startswith("shuffled")), name.endswith("merge_fields"))


def case(name: str, folder: Path, rows: int) -> Callable[[], int]:
    """A load of the window over the rows that are there."""
    opened = local_catalog(folder)
    replace_window(load_of(opened, BY_TAGS, Rows(batches(rows)), WINDOW, PROVENANCE))
    data = Rows(list(coming(name, rows)))
    if name == "replace":
        return lambda: replace_window(load_of(opened, BY_TAGS, data, WINDOW, PROVENANCE)).rows
    merging = name.endswith("merge_fields")
    return lambda: upsert_window(load_of(opened, BY_TAGS, data, WINDOW, PROVENANCE, merge_fields=merging)).rows


def run(rows: int, runs: int) -> dict[str, object]:
    """Measure each case `runs` times, in turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in CASES}
    for _ in range(runs):
        for name, found in costs.items():
            found.append(in_process("benchmarks.modes", "--case", name, "--rows", str(rows)))
    cpu = {name: median(found, "cpu") for name, found in costs.items()}
    over = {name: round(median(found, "peak_mb") - median(found, "base_mb")) for name, found in costs.items()}
    merging = [name for name in UPSERTS if name.endswith("merge_fields")]
    return {
        "rows": rows,
        "merge_fields_ratio": round(max(cpu[name] for name in merging) / cpu["replace"], 2),
        "replace_cpu_seconds": round(cpu["replace"], 2),
        **{f"{name}_cpu": round(cpu[name] / cpu["replace"], 2) for name in UPSERTS},
        "over_input_mb": over,
    }


def _shuffled(batch: pa.RecordBatch, shuffle: bool) -> pa.RecordBatch:
    return batch.take(pa.array(np.random.default_rng(1).permutation(len(batch)))) if shuffle else batch


def _with_gaps(batch: pa.RecordBatch, gaps: bool) -> pa.RecordBatch:
    if not gaps:
        return batch
    values = pc.if_else(pa.array(np.arange(len(batch)) % 2 == 0), None, batch.column(GAPS))
    return batch.set_column(GAPS, batch.schema.field(GAPS), values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        with tempfile.TemporaryDirectory() as folder:
            measured(case(arguments.case, Path(folder), arguments.rows)).report()
        return
    result = run(arguments.rows, arguments.runs)
    if arguments.json:
        json.dump(result, sys.stdout, indent=2)
        print()
        return
    for name, value in result.items():
        print(f"{name:<27}{value}")


if __name__ == "__main__":
    main()
