"""A window in parts beside the same window at once.

`python -m benchmarks.split [--rows N] [--runs N] [--jobs N] [--json]`

Each case is `influx-lake replicate` on an empty table: the window `whole`, in eight parts by `one` process, and by
`--jobs` processes. The server is a sandbox in a process of its own, on the same cores: where these are not idle, the
time is shared with it. `wall_ratio` is the time of one process over that of several: 2 is as good as two can be.
`cpu_vs_whole` is the CPU that the parts take, of all processes of a case, over that of the whole window.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.end_to_end import server
from benchmarks.inputs.cases import WINDOW
from influx_lake.config.values.windows import utc_text

PARTS = 8


def lake_yaml(address: list[str], folder: Path, *, parts: bool) -> str:
    """A lake of which the window is a partition."""
    length = (WINDOW.end - WINDOW.start).total_seconds() / PARTS
    split = f", split: {length:.0f}s" if parts else ""
    return f"""
sources: {{default: {{host: "{address[0]}", database: bench, token: "${{TOKEN}}"}}}}
catalog: {{type: sql, uri: "sqlite:///{folder}/catalog.db", warehouse: "{folder}/warehouse"}}
measurements: {{cpu: {{partition: {{start: 2020-01-01{split}}}}}}}
"""


def load(address: list[str], jobs: int, *, parts: bool) -> dict[str, float]:
    """Load the window into a new table; the seconds that it takes, and the CPU of its processes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lake.yaml").write_text(lake_yaml(address, folder, parts=parts))
        command = [sys.executable, "-m", "influx_lake.cli", "replicate", "cpu", "--jobs", str(jobs)]
        bounds = ["--start", utc_text(WINDOW.start), "--end", utc_text(WINDOW.end), "-c", str(folder / "lake.yaml")]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([*command, *bounds], check=True, capture_output=True, env={**os.environ, "TOKEN": address[1]})
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"wall": wall, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def run(rows: int, runs: int, jobs: int) -> dict[str, object]:
    """Measure each case `runs` times, in turns."""
    cases = {"whole": (1, False), "one": (1, True), "several": (jobs, True)}
    found: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    with server(rows) as address:
        for _ in range(runs):
            for case, (processes, parts) in cases.items():
                found[case].append(load(address, processes, parts=parts))
    medians = {
        case: {figure: median(each[figure] for each in taken) for figure in ("wall", "cpu")}
        for case, taken in found.items()
    }
    return {
        "rows": rows,
        "runs": runs,
        "jobs": jobs,
        "cores": len(os.sched_getaffinity(0)),
        "wall_ratio": round(medians["one"]["wall"] / medians["several"]["wall"], 2),
        "cpu_vs_whole": round(medians["several"]["cpu"] / medians["whole"]["cpu"], 2),
        "medians": {case: {key: round(value, 2) for key, value in each.items()} for case, each in medians.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = run(arguments.rows, arguments.runs, arguments.jobs)
    print(json.dumps(result, indent=2) if arguments.json else result)


if __name__ == "__main__":
    main()
