"""What shaping rows costs on their way from the server to a committed window.

    python -m benchmarks.transforms [--rows N] [--wide-rows N] [--runs N] [--json]

CPU seconds of the process that loads, the medians of some runs that take turns; the server is another process. Each is
a load over another one of the same rows:

- `cheap_ratio`: some fields of a measurement chosen and renamed, beside two constants, over the plain load of a
  measurement that has the columns of that table. `chosen_ratio` is the same without the constants.
- `computed_ratio`: two columns mapped and two computed, over the plain load of a measurement that has the columns of
  that table. `computed_over_source_ratio` is over the plain load of those that they are made of, two fewer.
- `projection_ratio`: 3 of 60 fields over all 60.
- `peak_mb`: the largest resident size with maps and computed columns, for a quarter of the rows and for all of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyiceberg.io.pyarrow  # noqa: F401 - a process imports it once, however many windows it writes

from influx_lake.config import load_lake
from influx_lake.config.values.windows import Window, parse_moment
from influx_lake.replication.window import replicate_window
from influx_lake.sources import open_source
from testbed.dataset import TAGS, batches
from testbed.local_catalog import local_catalog
from testbed.measure import Cost, in_process, measured, median

DAY = Window(parse_moment("2026-01-01"), parse_moment("2026-01-02"))
BEFORE = Window(parse_moment("2025-12-31"), parse_moment("2026-01-01"))
"""The day before, which has few rows: it is loaded first, for what a process does once, not for each window."""
FEW_ROWS = 1000
WIDE = 60
SOME = ("usage_user", "usage_system", "temperature", "processes", "healthy")
TOKEN = "apiv3_benchmark"
LAKE = """\
sources: {{default: {{host: "{url}", database: bench, token: {token}}}}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults: {{partition: {{start: 2025-12-31}}}}
measurements: {{{measurement}: {options}}}
"""
CHOSEN = f"""fields: {{include: [{", ".join(SOME)}]}},
  rename: {{usage_user: cpu_user_percent, usage_system: cpu_system_percent, host: hostname}}"""
CONSTANTS = {"source_system": "telegraf", "pipeline_version": "1.0"}
COMPUTED = """{
  map: {datacenter: {dc0: north, dc1: south, "*": elsewhere}, service: {service-0: web, service-1: api}},
  computed: {usage: "round(usage_user + usage_system, 2)", hot: temperature > 28}}"""
CASES = {
    "plain": ("some", "{}"),
    "stored": ("stored", "{}"),
    "cheap": ("whole", f"{{{CHOSEN}, constants: {json.dumps(CONSTANTS)}}}"),
    "chosen": ("whole", f"{{{CHOSEN}}}"),
    "made": ("made", "{}"),
    "computed": ("some", COMPUTED),
    "computed-quarter": ("quarter", COMPUTED),
    "wide": ("wide", "{}"),
    "three": ("wide", "{fields: {include: [f07, f23, f51]}}"),
}
"""The measurement that each case loads, and its options in lake.yaml."""


def serve(rows: int, wide_rows: int) -> None:
    """Answer for the measurements until stdin ends."""
    from influx_lake.sandbox import Sandbox

    chosen = ["time", *TAGS, *SOME]
    with Sandbox(token=TOKEN) as box:
        box.load("bench", "whole", _rows(rows), tags=TAGS)
        box.load("bench", "some", (batch.select(chosen) for batch in _rows(rows)), tags=TAGS)
        box.load("bench", "stored", map(_with_constants, _rows(rows)), tags=TAGS)
        box.load("bench", "made", map(_with_computed, _rows(rows)), tags=TAGS)
        box.load("bench", "quarter", (batch.select(chosen) for batch in _rows(rows // 4)), tags=TAGS)
        box.load("bench", "wide", map(_widened, _rows(wide_rows)), tags=("host",))
        print(f"http://127.0.0.1:{box.flight_port}", flush=True)
        sys.stdin.read()


def _rows(rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of the day, after a few of the one before."""
    import pyarrow.compute as pc

    for batch in batches(FEW_ROWS):
        before = pc.subtract(batch.column("time"), pa.scalar(86_400 * 10**9, pa.duration("ns")))
        yield batch.set_column(0, batch.schema.field("time"), before)
    yield from batches(rows)


def _with_constants(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The columns of the table of `cheap`, as a measurement has them."""
    kept = batch.select(["time", *TAGS, *SOME])
    for name, text in CONSTANTS.items():
        kept = kept.append_column(name, pa.repeat(text, len(batch)))
    return kept


def _with_computed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The columns of the table of `computed`, as a measurement has them."""
    import pyarrow.compute as pc

    kept = batch.select(["time", *TAGS, *SOME])
    usage = pc.round(pc.add(batch.column("usage_user"), batch.column("usage_system")), 2)
    kept = kept.append_column("usage", usage)
    return kept.append_column("hot", pc.greater(batch.column("temperature"), 28))


def _widened(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with 60 fields, each with values of its own."""
    import pyarrow.compute as pc

    values = batch.column("usage_user")
    columns = {"time": batch.column("time"), "host": batch.column("host")}
    columns |= {f"f{number:02}": pc.add(values, float(number)) for number in range(WIDE)}
    return pa.record_batch(columns)


def load(case: str, folder: Path, url: str) -> Callable[[], int]:
    """The load of a case, which tells how many bytes it wrote; one of a few rows is behind it."""
    name, options = CASES[case]
    path = folder / "lake.yaml"
    path.write_text(LAKE.format(url=url, token=TOKEN, measurement=name, options=options))
    lake = load_lake(path)
    [measurement] = lake.measurements
    source, catalog = open_source(lake.sources["default"]), local_catalog(folder)

    def replicate(window: Window) -> int:
        return replicate_window(source, catalog, measurement, window, run_id="benchmark").bytes_written

    replicate(BEFORE)
    return lambda: replicate(DAY)


@contextmanager
def server(rows: int, wide_rows: int) -> Iterator[str]:
    """A sandbox in a process of its own; yields its address."""
    command = [sys.executable, "-m", "benchmarks.transforms", "--serve"]
    sizes = ["--rows", str(rows), "--wide-rows", str(wide_rows)]
    with subprocess.Popen([*command, *sizes], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait()


def run(rows: int, wide_rows: int, runs: int) -> dict[str, object]:
    """Measure each case `runs` times, in turns, so that what else the machine does touches all alike."""
    costs: dict[str, list[Cost]] = {case: [] for case in CASES}
    with server(rows, wide_rows) as url:
        for _ in range(runs):
            for case, found in costs.items():
                found.append(in_process("benchmarks.transforms", "--case", case, "--url", url))

    def over(case: str, reference: str, figure: str = "cpu") -> float:
        return round(median(costs[case], figure) / median(costs[reference], figure), 3)

    return {
        "rows": rows,
        "wide_rows": wide_rows,
        "runs": runs,
        "cheap_ratio": over("cheap", "stored"),
        "chosen_ratio": over("chosen", "plain"),
        "computed_ratio": over("computed", "made"),
        "computed_over_source_ratio": over("computed", "plain"),
        "projection_ratio": over("three", "wide"),
        "wall": {
            "cheap_ratio": over("cheap", "stored", "wall"),
            "chosen_ratio": over("chosen", "plain", "wall"),
            "computed_ratio": over("computed", "made", "wall"),
            "projection_ratio": over("three", "wide", "wall"),
        },
        "peak_mb": {
            "quarter": round(median(costs["computed-quarter"], "peak_mb")),
            "all": round(median(costs["computed"], "peak_mb")),
            "plain": round(median(costs["plain"], "peak_mb")),
        },
        "medians": {
            case: {figure: round(median(found, figure), 3) for figure in ("wall", "cpu", "peak_mb", "bytes")}
            for case, found in costs.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--wide-rows", type=int, default=500_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.rows, arguments.wide_rows)
        return
    if arguments.case:
        with tempfile.TemporaryDirectory() as folder:
            measured(load(arguments.case, Path(folder), arguments.url)).report()
        return
    found = run(arguments.rows, arguments.wide_rows, arguments.runs)
    if arguments.json:
        print(json.dumps({"transforms": found}, indent=2))
        return
    for name in ("cheap_ratio", "chosen_ratio", "computed_ratio", "projection_ratio", "peak_mb"):
        print(name, json.dumps(found[name]))


if __name__ == "__main__":
    main()
