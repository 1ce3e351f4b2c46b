"""A day of a wide measurement loaded again, and verified.

    python -m benchmarks.wide [--fields 500 1000 2000] [--rows N] [--times N] [--json]

What it costs per field at each width, in one run: seconds by the clock and of CPU, of this process alone (the sandbox
that answers is another one), the medians of some repetitions. It takes minutes, most of them the sandbox's. `ratio` is
the cost per field at the widest over that at the narrowest: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import sys

import pyarrow as pa

from benchmarks.inputs.served_lake import TOKEN, medians, served_lake
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.comparison.verify import verify
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox

DAY = Window(parse_moment("2026-01-01"), parse_moment("2026-01-02"))
DAY_NS = 1_767_225_600 * 10**9


def serve(fields: int, rows: int) -> None:
    """Answer for a wide measurement until stdin ends."""
    columns: dict[str, pa.Array] = {"time": pa.array(range(DAY_NS, DAY_NS + rows * 10**9, 10**9), pa.timestamp("ns"))}
    columns |= {f"f{field:04}": pa.array([number * field / 7 for number in range(rows)]) for field in range(fields)}
    with Sandbox(token=TOKEN) as box:
        box.load("wide", "wide", pa.table(columns))
        print(box.url, flush=True)
        sys.stdin.read()


def run(fields: int, rows: int, times: int) -> dict[str, dict[str, float]]:
    """Load the day again and verify it, and say what each costs."""
    with served_lake("wide", "benchmarks.wide", ["--serve", str(fields), "--rows", str(rows)]) as (
        measurement,
        catalog,
        source,
    ):

        def load() -> None:
            replicate_window(source, catalog, measurement, DAY, run_id="benchmark")

        def compare() -> None:
            assert not verify(source, catalog, measurement, [DAY], depth=Depth.PROFILE).differing

        load()
        compare()
        return {"load_again": medians(load, times), "verify_profile": medians(compare, times)}


def report(widths: list[int], rows: int, times: int) -> dict[str, object]:
    """The costs at each width, and how they grow."""
    found = {}
    for width in sorted(widths):
        found[width] = run(width, rows, times)
        print(f"{width} fields: {json.dumps(found[width])}", file=sys.stderr, flush=True)
    narrow, wide = min(found), max(found)
    ratios = {
        step: {
            figure: round((found[wide][step][figure] / wide) / (found[narrow][step][figure] / narrow), 2)
            for figure in ("wall", "cpu")
        }
        for step in found[wide]
    }
    return {"rows": rows, "times": times, "seconds": found, "ratio": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve, arguments.rows)
        return
    found = report(arguments.fields, arguments.rows, arguments.times)
    if arguments.json:
        print(json.dumps({"wide": found}, indent=2))
        return
    for title in ("seconds", "ratio"):
        print(title, json.dumps(found[title]))


if __name__ == "__main__":
    main()
