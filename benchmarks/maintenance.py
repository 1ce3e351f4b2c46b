"""Compaction beside a plain Parquet copy of the same files, and beside Spark's `rewrite_data_files`.

`python -m benchmarks.maintenance [--files N] [--rows N] [--runs N] [--spark] [--large ROWS] [--json]`

A table of one day has its rows in many small files, as tails leave them. `cpu_vs_raw` is the CPU of our compaction,
with the reading of what was written that proves the rows to be the same, over that of pyarrow reading the files and
writing the rows with its ParquetWriter (zstd, row groups of 262,144 rows), in the same run: below 1 we are cheaper.
`cpu_vs_spark` is ours over what the call costs Spark's JVM, which has started and read the table before (`--spark`,
after `make engines`). `peak_mb` is our process's largest resident size, its libraries among it, in MB of a million
bytes, and `peak_mb_large` the same for as many rows as `--large` says in as many files. `base_mb` is its size before.
Figures are medians.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from testbed.measure import Cost, in_process, median

CASES = "benchmarks.inputs.compaction_cases"


def run(files: int, rows: int, runs: int, large: int | None, *, with_spark: bool) -> dict[str, float]:
    """Measure."""
    costs: dict[str, list[Cost]] = {case: [] for case in ("raw", "ours", *(["spark"] if with_spark else []))}
    with tempfile.TemporaryDirectory() as folder:
        _prepare(Path(folder), files, rows)
        for _ in range(runs):
            for case, found in costs.items():
                found.append(in_process(CASES, case, folder))
    raw, ours = costs["raw"], costs["ours"]
    figures: dict[str, float] = {
        "files": files,
        "rows": rows,
        "runs": runs,
        "cpu_vs_raw": _over(ours, raw, "cpu"),
        "wall_vs_raw": _over(ours, raw, "wall"),
        "bytes_vs_raw": _over(ours, raw, "bytes"),
        "peak_mb": round(median(ours, "peak_mb")),
        "base_mb": round(median(ours, "base_mb")),
        "cpu_seconds": round(median(ours, "cpu"), 2),
        "rows_per_cpu_second": round(rows / median(ours, "cpu")),
    }
    if with_spark:
        figures["cpu_vs_spark"] = _over(ours, costs["spark"], "cpu")
    if large is not None:
        figures |= {"rows_large": large, "peak_mb_large": _peak(files, large, runs)}
    return figures


def _peak(files: int, rows: int, runs: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        _prepare(Path(folder), files, rows)
        return round(statistics.median(in_process(CASES, "ours", folder).peak_mb for _ in range(runs)))


def _prepare(folder: Path, files: int, rows: int) -> None:
    subprocess.run([sys.executable, "-m", CASES, "prepare", str(folder), str(files), str(rows)], check=True)


def _over(ours: list[Cost], theirs: list[Cost], figure: str) -> float:
    return round(median(ours, figure) / median(theirs, figure), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--spark", action="store_true", help="measure Spark's rewrite_data_files, too")
    parser.add_argument("--large", type=int, metavar="ROWS", help="also look at the memory of so many rows")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.spark and importlib.util.find_spec("pyspark") is None:
        parser.error("Spark is not installed: make engines")
    found = run(arguments.files, arguments.rows, arguments.runs, arguments.large, with_spark=arguments.spark)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:<20}{value:>16,}")


if __name__ == "__main__":
    main()
