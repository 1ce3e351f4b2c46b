"""From Flight to a committed window, beside a plain Parquet writer fed the same batches.

`python -m benchmarks.end_to_end [--rows N] [--runs N] [--json]`

`cpu_ratio` and `wall_ratio` are the plain writer's time over ours for the write side alone: 1.0 is as fast as a file
without a table. `end_to_end` holds the same ratios with reading from the server on both sides. `peak_mb` is the
largest resident size of the process that loads the window from the server.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.measure import Cost, in_process, median, ratio

SERVER = """
import json, sys
from testbed.dataset import TAGS, batches
from influx_lake.sandbox import Sandbox
with Sandbox() as box:
    box.load("bench", "cpu", batches(int(sys.argv[1])), tags=TAGS)
    print(json.dumps([f"http://127.0.0.1:{box.flight_port}", box.token]), flush=True)
    sys.stdin.read()
"""


@contextmanager
def server(rows: int) -> Iterator[list[str]]:
    """A sandbox in a process of its own that holds the rows; yields its Flight address and token."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(rows)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait()


def run(rows: int, runs: int) -> dict[str, object]:
    """Measure each case `runs` times, in turns, so that what else the machine does touches all alike."""
    costs: dict[str, list[Cost]] = {case: [] for case in ("write-raw", "write-ours", "flight-raw", "flight-ours")}
    with server(rows) as address:
        for _ in range(runs):
            for case, found in costs.items():
                arguments = address if case.startswith("flight") else []
                found.append(in_process("benchmarks.inputs.cases", case, str(rows), *arguments))
    raw, ours = costs["write-raw"], costs["write-ours"]
    flight_raw, flight_ours = costs["flight-raw"], costs["flight-ours"]
    return {
        "rows": rows,
        "runs": runs,
        "cpu_ratio": ratio(raw, ours, "cpu"),
        "wall_ratio": ratio(raw, ours, "wall"),
        "bytes_ratio": ratio(raw, ours, "bytes"),
        "peak_mb": round(median(flight_ours, "peak_mb")),
        "write_rows_per_second": round(rows / median(ours, "wall")),
        "end_to_end": {
            "cpu_ratio": ratio(flight_raw, flight_ours, "cpu"),
            "wall_ratio": ratio(flight_raw, flight_ours, "wall"),
            "rows_per_second": round(rows / median(flight_ours, "wall")),
            "rows_per_cpu_second": round(rows / median(flight_ours, "cpu")),
        },
        "medians": {
            case: {figure: round(median(found, figure), 3) for figure in ("wall", "cpu", "peak_mb", "bytes")}
            for case, found in costs.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = run(arguments.rows, arguments.runs)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{'case':<14}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'MB out':>9}")
    medians: dict[str, dict[str, float]] = result["medians"]  # type: ignore[assignment]
    for case, found in medians.items():
        print(
            f"{case:<14}{found['wall']:>9.2f}{found['cpu']:>9.2f}{found['peak_mb']:>9.0f}{found['bytes'] / 1e6:>9.1f}"
        )
    print(f"write side: {result['cpu_ratio']} of the plain writer's speed by CPU, {result['wall_ratio']} by wall time")
    print(f"end to end: {json.dumps(result['end_to_end'])}")


if __name__ == "__main__":
    main()
