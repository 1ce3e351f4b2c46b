"""The write path beside a plain Parquet writer fed the same batches, and beside others that write Iceberg tables.

`python -m benchmarks.write_path [--rows N] [--runs N] [--json] [--others PYTHON]`

`cpu_ratio` is the CPU of pyarrow's ParquetWriter (zstd, its defaults, no table) over ours for rows of one day: above
1.0 we are faster. `cpu_ratio_by_day` is the same for rows dealt to seven days in turns, which we write to a table
partitioned by day, `_bucket` for one of sixteen buckets of hosts, and `_sorted` for one sorted by host and time, all
beside the plain writer, which does neither. `cpu_ratio_duckdb_sorted` is the CPU of DuckDB's `COPY (... ORDER BY host,
time)` over ours, with one thread and 256 MB. `peak_mb_5m` and `peak_mb_50m` say how far the memory of a process rises
above what it had before, pyiceberg's modules among it, while it writes rows that are made as they stream.
`bytes_ratio` is our size over the plain writer's. With --json only these are measured; the table without it has the
others, too: those that are not installed here run with the Python of another environment that --others names. `make
bench-write` makes one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.inputs.cases import LAYOUTS
from benchmarks.others import OTHERS
from testbed.measure import Cost, in_process, median, ratio


@dataclass
class Comparison:
    """The runs of one layout: the plain writer's and ours, in turns, so that a busy machine touches both alike."""

    layout: str
    raw: list[Cost] = field(default_factory=list)
    ours: list[Cost] = field(default_factory=list)

    def run(self, rows: int) -> None:
        self.raw.append(in_process("benchmarks.inputs.cases", "write-raw", str(rows), self.layout))
        self.ours.append(in_process("benchmarks.inputs.cases", "write-ours", str(rows), self.layout))

    def report(self) -> dict[str, float]:
        return {
            "cpu_ratio": ratio(self.raw, self.ours, "cpu"),
            "wall_ratio": ratio(self.raw, self.ours, "wall"),
            "bytes_ratio": round(median(self.ours, "bytes") / median(self.raw, "bytes"), 3),
        }


def run(rows: int, runs: int) -> dict[str, object]:
    """Measure every layout."""
    compared = {layout: Comparison(layout) for layout in LAYOUTS}
    duckdb: list[Cost] = []
    for _ in range(runs):
        for comparison in compared.values():
            comparison.run(rows)
        duckdb.append(in_process("benchmarks.inputs.cases", "sort-duckdb", str(rows)))
    layouts = {layout: comparison.report() for layout, comparison in compared.items()}
    peaks = {size: {layout: peak_over(layout, rows * factor) for layout in LAYOUTS} for size, factor in SIZES.items()}
    for layout, report in layouts.items():
        report |= {f"peak_mb_{size}": found[layout] for size, found in peaks.items()}
    flat = {
        figure + ("" if layout == "one-day" else f"_{layout.replace('-', '_')}"): value
        for layout, report in layouts.items()
        for figure, value in report.items()
    }
    beside = {"cpu_ratio_duckdb_sorted": ratio(duckdb, compared["sorted"].ours, "cpu")}
    return {"rows": rows, "runs": runs, **flat, **beside}


SIZES = {"5m": 1, "50m": 10}
"""How many times `--rows` (5 million) stream by while memory is watched."""


def peak_over(layout: str, rows: int) -> float:
    """How far memory rises, in MB, while rows are written that are made as they stream."""
    cost = in_process("benchmarks.inputs.cases", "stream-ours", str(rows), layout)
    return round(cost.peak_mb - cost.base_mb)


def print_table(rows: int, runs: int, python_of: Mapping[str, str]) -> None:
    """Print every case with its time, memory and size."""
    print(f"{rows:,} rows, medians of {runs}; peak: above what the process had with its input")
    print(f"{'case':<24}{'wall s':>9}{'CPU s':>9}{'rows/s':>12}{'peak MB':>9}{'MB out':>9}{'CPU ratio':>11}")
    compared = {layout: Comparison(layout) for layout in LAYOUTS}
    others: dict[str, list[Cost]] = {name: [] for name in OTHERS if name in python_of}
    for _ in range(runs):
        for comparison in compared.values():
            comparison.run(rows)
        for name, costs in others.items():
            costs.append(in_process("benchmarks.others", name, str(rows), python=python_of[name]))
    for layout, comparison in compared.items():
        print_row(f"raw Parquet, {layout}", rows, comparison.raw, comparison.raw)
        print_row(f"influx_lake, {layout}", rows, comparison.ours, comparison.raw)
    for name in OTHERS:
        if name in others:
            print_row(name, rows, others[name], compared["one-day"].raw)
        else:
            print(f"{name:<24}skipped: it is not installed; `make bench-write` installs it")


def print_row(case: str, rows: int, costs: list[Cost], raw: list[Cost]) -> None:
    wall, cpu, size = (median(costs, figure) for figure in ("wall", "cpu", "bytes"))
    peak = median(costs, "peak_mb") - median(costs, "base_mb")
    speed, cheaper = rows / wall, ratio(raw, costs, "cpu")
    print(f"{case:<24}{wall:>9.2f}{cpu:>9.2f}{speed:>12,.0f}{peak:>9.0f}{size / 1e6:>9.1f}{cheaper:>11}")


def python_of_others(elsewhere: str | None) -> dict[str, str]:
    """Which Python runs each of the others: this one, or that of an environment that has what this one has not."""
    here = {name: sys.executable for name in OTHERS if importlib.util.find_spec(name)}
    if elsewhere is None:
        return here
    code = f"import importlib.util as u; print(*[name for name in {list(OTHERS)} if u.find_spec(name)])"
    found = subprocess.run([elsewhere, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return dict.fromkeys(found, elsewhere) | here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--others", metavar="PYTHON", help="the Python of an environment with those not installed here")
    arguments = parser.parse_args()
    if arguments.json:
        print(json.dumps(run(arguments.rows, arguments.runs), indent=2))
    else:
        print_table(arguments.rows, arguments.runs, python_of_others(arguments.others))


if __name__ == "__main__":
    main()
