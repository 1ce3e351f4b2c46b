"""A window loaded, and proved equal to its source value by value.

    python -m benchmarks.verify [--rows N] [--times N] [--json]

Seconds by the clock and of CPU of this process alone (the sandbox that answers is another one), the medians of some
repetitions, over those of loading the same window: `verify_vs_load` of `verify --values`, `profile_vs_load` of
`verify --profile`, `profile_vs_load_2000` of the same with 2,000 fields and 3,500 rows. `peak_mb` is the most memory
that the process had. By the clock, a profile is mostly the work of the sandbox, which is no InfluxDB.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Mapping
from functools import partial

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


FLOATS = 8
MANY_FLOATS = 1997
ROWS_OF_MANY = 3_500
"""As many as there are in a message of the size that a client takes."""


def points(rows: int, floats: int = FLOATS) -> pa.Table:
    """Hosts that report in turn: two tags, floats, two whole numbers, a text."""
    draws = np.random.default_rng(1)
    hosts = np.arange(rows) % HOSTS
    tag = pa.dictionary(pa.int32(), pa.string())
    columns: dict[str, pa.Array] = {
        "time": pa.array(DAY_NS + np.arange(rows) // HOSTS * 1_000_000, pa.timestamp("ns")),
        "host": pa.array([f"host-{number:03}" for number in range(HOSTS)]).take(pa.array(hosts)).cast(tag),
        "region": pa.array(["eu", "us"]).take(pa.array(hosts % 2)).cast(tag),
        **{f"usage{number}": pa.array(np.round(draws.random(rows) * 100, 2)) for number in range(floats)},
        **{f"count{number}": pa.array(draws.integers(0, 10**6, rows)) for number in range(2)},
        "state": pa.array(["idle", "busy", "gone"]).take(pa.array(draws.integers(0, 3, rows))),
    }
    return pa.table(columns)


def serve(rows: int, floats: int) -> None:
    """Answer for the measurement until stdin ends."""
    with Sandbox(token=TOKEN) as box:
        box.load("cpu", "cpu", points(rows, floats), tags=("host", "region"))
        print(box.url, flush=True)
        sys.stdin.read()


def run(rows: int, times: int) -> dict[str, object]:
    """Load the window and prove it, and say what each costs; in a process that did nothing before."""
    depths = {"verify_values": Depth.VALUES, "verify_profile": Depth.PROFILE}
    costs = costs_of(rows, FLOATS, times, depths)
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    wide = costs_of(ROWS_OF_MANY, MANY_FLOATS, times, {"verify_profile": Depth.PROFILE})
    return {
        "rows": rows,
        "times": times,
        "seconds": costs,
        "seconds_2000": wide,
        "verify_vs_load": ratio(costs, "verify_values"),
        "profile_vs_load": ratio(costs, "verify_profile"),
        "profile_vs_load_2000": ratio(wide, "verify_profile"),
        "peak_mb": peak,
    }


def ratio(costs: Mapping[str, Mapping[str, float]], what: str) -> dict[str, float]:
    """What something costs, over what loading does."""
    return {figure: round(costs[what][figure] / costs["load"][figure], 3) for figure in ("cpu", "wall")}


def costs_of(rows: int, floats: int, times: int, depths: Mapping[str, Depth]) -> dict[str, dict[str, float]]:
    """What loading a window costs, and comparing it in some depths."""
    served = ["--serve", "--rows", str(rows), "--floats", str(floats)]
    with served_lake("cpu", "benchmarks.verify", served) as (measurement, catalog, source):

        def load() -> None:
            replicate_window(source, catalog, measurement, DAY, run_id="benchmark")

        def prove(depth: Depth) -> None:
            [found] = verify(source, catalog, measurement, [DAY], depth=depth).comparisons
            assert (found.changed, found.lake_rows) == ((), rows)

        load()
        costs = {"load": medians(load, times)}
        for name, depth in depths.items():
            prove(depth)
            costs[name] = medians(partial(prove, depth), times)
        return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--floats", type=int, default=FLOATS, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.rows, arguments.floats)
        return
    found = run(arguments.rows, arguments.times)
    print(json.dumps({"verify": found}, indent=2) if arguments.json else found)


if __name__ == "__main__":
    main()
