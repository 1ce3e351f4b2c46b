"""Line protocol from one .gz to rows: rate and memory, beside `gzip -dc | wc -l`.

`python -m benchmarks.line_protocol [--points N] [--folder DIR] [--json]`

The file is made as `influx_inspect export` writes it: a line for each field, the times of a series one after the other.
`take_apart` reads the file into the staging folder, `read` reads a tenth of its time as one window from there.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from testbed.measure import resident_mb

START_NS = 1_767_225_600 * 10**9
STEP_NS = 10 * 10**9
SERIES = 1_000
FIELDS = ("usage_user", "usage_system")


def make(file: Path, points: int) -> int:
    """Write the file, and return how many bytes it has without compression."""
    times, size = np.arange(max(1, points // SERIES)) * STEP_NS + START_NS, 0
    with gzip.open(file, "wb", compresslevel=1) as out:
        for series in range(SERIES):
            for field in FIELDS:
                values = np.round(np.random.default_rng(series).random(len(times)) * 100, 3).tolist()
                begin = f"cpu,host=host{series:04},region=eu-{series % 4} {field}="
                text = "".join(f"{begin}{v} {t}\n" for v, t in zip(values, times.tolist(), strict=True)).encode()
                size += len(text)
                out.write(text)
    return size


def load(file: Path, staging: Path, points: int) -> dict[str, float]:
    """Read the file through the source, in this process."""
    from influx_lake.config import LineProtocolConfig
    from influx_lake.config.values.windows import Window
    from influx_lake.sources import open_source

    options = {"type": "line_protocol", "path": str(file), "database": "bench", "staging": str(staging)}
    source = open_source(LineProtocolConfig.model_validate(options))
    began = time.monotonic()
    schema = source.schema("cpu")
    taken_apart = time.monotonic() - began
    length = timedelta(microseconds=max(1, points // SERIES) * STEP_NS / 1000 / 10)
    start = datetime.fromtimestamp(START_NS / 1e9, UTC) + 4 * length
    began, rows = time.monotonic(), 0
    with source.read(schema, Window(start, start + length)) as stream:
        rows = sum(len(batch) for batch in stream)
    read = time.monotonic() - began
    source.close()
    return {"take_apart": taken_apart, "read": read, "rows": rows, "peak_mb": resident_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        print(json.dumps(load(given.load, given.folder, given.points)))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        file = Path(folder) / "export.lp.gz"
        size = make(file, given.points)
        began = time.monotonic()
        subprocess.run(f"gzip -dc '{file}' | wc -l", shell=True, check=True, stdout=subprocess.DEVNULL)
        plain = time.monotonic() - began
        arguments = ["--load", str(file), "--folder", f"{folder}/staging", "--points", str(given.points)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.line_protocol", *arguments], stdout=subprocess.PIPE, check=True
        )
        found = json.loads(done.stdout)
        staged = sum(each.stat().st_size for each in Path(folder, "staging").rglob("*") if each.is_file())
        result = {
            "points": given.points,
            "file_mb": round(size / 1e6, 1),
            "gz_mb": round(file.stat().st_size / 1e6, 1),
            "staged_mb": round(staged / 1e6, 1),
            "gzip_wc_mb_per_second": round(size / 1e6 / plain, 1),
            "take_apart_mb_per_second": round(size / 1e6 / found["take_apart"], 1),
            "read_points_per_second": round(found["rows"] / found["read"]),
            "peak_mb": round(found["peak_mb"], 1),
        }
    print(json.dumps(result) if given.json else "\n".join(f"{name:28} {value:>14,}" for name, value in result.items()))


if __name__ == "__main__":
    main()
