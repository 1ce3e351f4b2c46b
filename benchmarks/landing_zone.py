"""Rows per CPU second, and MB per second, out of a landing zone: JSON as Telegraf writes it, CSV and Parquet.

`python -m benchmarks.landing_zone [--rows N] [--json]`

A day of the points of `benchmarks.sources` lies in hourly folders. `schema` is what has to be known before the first
window, `first` reads the day as one window, taking its files apart, and `again` from the staging folder. Each format is
read in a process of its own; MB are those of the files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

START = datetime(2026, 3, 1, tzinfo=UTC)
FORMATS = ("json", "csv", "parquet")
PATH = "{measurement}/year={year}/month={month}/day={day}/hour={hour}"


def land(folder: Path, kind: str, rows: int) -> None:
    """Write the day's files."""
    step = 86_400 * 10**6 // rows
    for hour in range(24):
        moment = START + timedelta(hours=hour)
        place = folder / moment.strftime("cpu/year=%Y/month=%m/day=%d/hour=%H")
        place.mkdir(parents=True)
        points = [_point(number, step) for number in range(hour * rows // 24, (hour + 1) * rows // 24)]
        file = place / f"points.{kind}"
        if kind == "json":
            file.write_text("".join(json.dumps(_metric(point)) + "\n" for point in points))
        elif kind == "csv":
            pa.csv.write_csv(pa.Table.from_pylist(points), file)
        else:
            pq.write_table(pa.Table.from_pylist(points), file)


def _point(number: int, step: int) -> dict[str, Any]:
    return {
        "timestamp": int(START.timestamp()) * 10**6 + number * step,
        "host": f"h{number % 20}",
        "region": f"eu-{number % 3}",
        "usage": number % 1000 / 7,
        "idle": number % 997 / 3,
        "total": number,
        "state": f"state {number % 5}",
    }


def _metric(point: dict[str, Any]) -> dict[str, Any]:
    tags = {name: point[name] for name in ("host", "region")}
    fields = {name: point[name] for name in ("usage", "idle", "total", "state")}
    return {"name": "cpu", "tags": tags, "fields": fields, "timestamp": point["timestamp"]}


def read(kind: str, folder: Path) -> dict[str, Any]:
    """Read the day through the source, in this process."""
    from influx_lake.config import LandingZoneConfig
    from influx_lake.config.values.windows import Window
    from influx_lake.sources import open_source

    options = {"type": "landing_zone", "path": f"{folder}/in/{PATH}", "database": "bench", "format": kind,
               "timestamp_units": "us", "tags": ["host", "region"], "staging": f"{folder}/staging"}  # fmt: skip
    source = open_source(LandingZoneConfig.model_validate(options))
    found: dict[str, Any] = {}
    began = time.process_time(), time.perf_counter()
    schema = source.schema("cpu")
    found["schema"] = time.process_time() - began[0], time.perf_counter() - began[1]
    for name in ("first", "again"):
        began = time.process_time(), time.perf_counter()
        with source.read(schema, Window(START, START + timedelta(days=1))) as stream:
            found["rows"] = sum(len(batch) for batch in stream)
        found[name] = time.process_time() - began[0], time.perf_counter() - began[1]
    source.close()
    return found


def measure(rows: int) -> dict[str, Any]:
    """Land and read each format."""
    result = {}
    for kind in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            land(Path(folder) / "in", kind, rows)
            size = sum(file.stat().st_size for file in Path(folder, "in").rglob("*.*")) / 1e6
            command = [sys.executable, "-m", "benchmarks.landing_zone", "--read", kind, folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        found = json.loads(done.stdout)
        if found["rows"] != rows:
            raise SystemExit(f"{rows} rows were landed as {kind}, and read were {found['rows']}")
        # Without a schema in the files the first look takes them apart.
        cpu, wall = (found["schema"][place] + found["first"][place] for place in (0, 1))
        result[kind] = {
            "file_mb": round(size, 1),
            "schema_seconds": round(found["schema"][1], 2),
            "rows_per_cpu_second": round(rows / cpu),
            "mb_per_second": round(size / wall, 1),
            "again_rows_per_cpu_second": round(rows / found["again"][0]),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--read", nargs=2, metavar=("FORMAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        print(json.dumps(read(given.read[0], Path(given.read[1]))))
        return
    found = measure(given.rows)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for kind, figures in found.items():
        print(kind + "".join(f"\n  {name:28} {value:>12,}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
