"""What upserting a window costs beside replacing it: `python -m benchmarks.modes [--rows N] [--runs N] [--json]`

The window holds the rows already; the same points come again. `upsert_cpu` and `merge_fields_cpu` are CPU seconds over
those of replacing the same window; `peak_mb` is the largest resident size of each process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.cases import TARGET, WINDOW, Rows, catalog
from benchmarks.dataset import TAGS, batches
from benchmarks.measure import Cost, in_process, measured, median
from influx_lake.iceberg.replace import replace_window
from influx_lake.iceberg.target import Provenance
from influx_lake.iceberg.upsert import upsert_window

PROVENANCE = Provenance("bench", "run")
BY_TAGS = replace(TARGET, key=TAGS)
CASES = ("input", "replace", "upsert", "merge_fields")


def case(name: str, folder: Path, rows: int) -> Callable[[], int]:
    """A load of the window over the rows that are there; `input` only makes the rows that come."""
    opened = catalog(folder)
    if name == "input":
        return lambda: sum(len(batch) for batch in batches(rows))
    replace_window(opened, BY_TAGS, Rows(batches(rows)), WINDOW, PROVENANCE)  # type: ignore[arg-type]
    if name == "replace":
        return lambda: replace_window(opened, BY_TAGS, Rows(batches(rows)), WINDOW, PROVENANCE).rows  # type: ignore[arg-type]
    merging = name == "merge_fields"
    return lambda: (
        upsert_window(opened, BY_TAGS, Rows(batches(rows)), WINDOW, PROVENANCE, merge_fields=merging).rows  # type: ignore[arg-type]
    )


def run(rows: int, runs: int) -> dict[str, object]:
    """Measure each case `runs` times, in turns; what making the rows costs is taken off."""
    costs: dict[str, list[Cost]] = {name: [] for name in CASES}
    for _ in range(runs):
        for name, found in costs.items():
            found.append(in_process("benchmarks.modes", "--case", name, "--rows", str(rows)))
    cpu = {name: median(found, "cpu") - median(costs["input"], "cpu") for name, found in costs.items()}
    return {
        "rows": rows,
        "replace_cpu_seconds": round(cpu["replace"], 2),
        "upsert_cpu": round(cpu["upsert"] / cpu["replace"], 2),
        "merge_fields_cpu": round(cpu["merge_fields"] / cpu["replace"], 2),
        "peak_mb": {name: round(median(found, "peak_mb")) for name, found in costs.items()},
    }


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
        print(f"{name:<22}{value}")


if __name__ == "__main__":
    main()
