"""A window loaded, and proved equal to its source value by value.

    python -m benchmarks.verify [--rows N] [--times N] [--json]

Seconds by the clock and of CPU of this process alone (the sandbox that answers is another one), the medians of some
repetitions. `verify_vs_load` is what `verify --values` takes, over what loading the same window takes; `peak_mb` is the
most memory that the process had.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys

import numpy as np
import pyarrow as pa

from benchmarks.inputs.served_lake import TOKEN, medians, served_lake
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.replication.comparison.compare_windows import Depth
from influx_lake.replication.comparison.verify import verify
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox

DAY = Window(parse_moment("2026-01-01"), parse_moment("2026-01-02"))
DAY_NS = 1_767_225_600 * 10**9
HOSTS = 200


def points(rows: int) -> pa.Table:
    """Hosts that report in turn: two tags, eight floats, two whole numbers, a text."""
    draws = np.random.default_rng(1)
    hosts = np.arange(rows) % HOSTS
    tag = pa.dictionary(pa.int32(), pa.string())
    columns: dict[str, pa.Array] = {
        "time": pa.array(DAY_NS + np.arange(rows) // HOSTS * 1_000_000, pa.timestamp("ns")),
        "host": pa.array([f"host-{number:03}" for number in range(HOSTS)]).take(pa.array(hosts)).cast(tag),
        "region": pa.array(["eu", "us"]).take(pa.array(hosts % 2)).cast(tag),
        **{f"usage{number}": pa.array(np.round(draws.random(rows) * 100, 2)) for number in range(8)},
        **{f"count{number}": pa.array(draws.integers(0, 10**6, rows)) for number in range(2)},
        "state": pa.array(["idle", "busy", "gone"]).take(pa.array(draws.integers(0, 3, rows))),
    }
    return pa.table(columns)


def serve(rows: int) -> None:
    """Answer for the measurement until stdin ends."""
    with Sandbox(token=TOKEN) as box:
        box.load("cpu", "cpu", points(rows), tags=("host", "region"))
        print(box.url, flush=True)
        sys.stdin.read()


def run(rows: int, times: int) -> dict[str, object]:
    """Load the window and prove it, and say what each costs; in a process that did nothing before."""
    with served_lake("cpu", "benchmarks.verify", ["--serve", "--rows", str(rows)]) as (measurement, catalog, source):

        def load() -> None:
            replicate_window(source, catalog, measurement, DAY, run_id="benchmark")

        def prove() -> None:
            [found] = verify(source, catalog, measurement, [DAY], depth=Depth.VALUES).comparisons
            assert (found.changed, found.lake_rows) == ((), rows)

        load()
        prove()
        costs = {"load": medians(load, times), "verify_values": medians(prove, times)}
    ratio = {figure: round(costs["verify_values"][figure] / costs["load"][figure], 3) for figure in ("cpu", "wall")}
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return {"rows": rows, "times": times, "seconds": costs, "verify_vs_load": ratio, "peak_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.rows)
        return
    found = run(arguments.rows, arguments.times)
    print(json.dumps({"verify": found}, indent=2) if arguments.json else found)


if __name__ == "__main__":
    main()
