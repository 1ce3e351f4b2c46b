"""A day's query on a year of hourly-loaded data, by each engine, against what the layout of the table makes possible.

`python -m benchmarks.engines [--days N] [--folder DIR] [--engines duckdb polars spark trino] [--runs N] [--json]`

The table has 24 files a day, which the product loaded (`benchmarks.inputs.hourly_lake`; `--folder` keeps it, and takes
one that is there). Each engine has answered for the first day three times before; then it is asked for others:
`avg` and `max` of a column by host.

- `files_opened`: the data files that were opened, told by the kernel (inotify), whoever opens them. `files_ideal` are
  those that have rows of the day, and `files_opened_ratio` is the one over the other.
- `bytes_read`: what the engine's process read in all (`rchar` of /proc), with the metadata that it has not kept since
  the queries before. `bytes_ideal` are the chunks of the three columns and the footers of the day's files.
- `planning_s`: seconds until the engine knows the files: DuckDB's `explain` and Polars' `explain()`, which load the
  table's metadata as well; Spark's, until it has the scan's tasks; Trino's analysis, planning and scan planning, as it
  says.
- `query_s`: seconds of the whole query.

Figures are medians over the days that are asked for. Spark needs `make engines`, Trino INFLUX_LAKE_TEST_TRINO.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.inputs.engine_cases import ENGINES, Asked
from benchmarks.inputs.hourly_lake import START, TARGET, make, properties
from benchmarks.inputs.opened_files import OpenedFiles
from influx_lake.iceberg.catalogs.opening import open_catalog

COLUMNS = ("time", "host", "usage_user")


def run(folder: Path, names: list[str], runs: int) -> dict[str, Any]:
    """Measure on a lake that is there."""
    table = open_catalog("lake", properties(folder)).load_table(TARGET.identifier)
    location = Path(table.location().removeprefix("file://"))
    days = len(list((location / "data").glob("time_day=*")))
    # Spread over the year; the last week's metadata are not yet tidied.
    asked = [START + timedelta(days=days * number // (runs + 1)) for number in range(1, runs + 1)]
    figures: dict[str, Any] = {"days": days, "files": len(list(location.rglob("*.parquet"))), "engines": {}}
    with OpenedFiles(location) as opened:
        for name in names:
            with ENGINES[name](table) as engine:
                for _ in range(3):
                    engine.answer(Asked(START))
                found = [_measured(engine, Asked(day), opened, table) for day in asked]
            figures["engines"][name] = {key: _median(found, key) for key in found[0]}
    for name in ("files_opened_ratio", "planning_s"):
        figures[name] = max(each[name] for each in figures["engines"].values())
    return figures


def _measured(engine: Any, asked: Asked, opened: OpenedFiles, table: Any) -> dict[str, float]:
    # Of the day before: Trino tells it of a query that it runs, and keeps small files that it has read.
    planning = engine.planning_seconds(Asked(asked.day - timedelta(days=1)))
    opened.forget()
    before = bytes_read(engine.process)
    seconds = engine.answer(asked)
    read = bytes_read(engine.process) - before
    files = {path for path in opened.names() if path.endswith(".parquet")}
    wanted = {Path(task.file.file_path).name for task in table.scan(row_filter=asked.row_filter).plan_files()}
    assert wanted <= files, f"not opened: {wanted - files}"
    ideal = _ideal_bytes(table, asked)
    return {
        "files_opened": len(files),
        "files_ideal": len(wanted),
        "files_opened_ratio": round(len(files) / len(wanted), 3),
        "bytes_read": read,
        "bytes_ideal": ideal,
        "bytes_ratio": round(read / ideal, 2),
        "planning_s": round(planning, 3),
        "query_s": round(seconds, 3),
    }


def _ideal_bytes(table: Any, asked: Asked) -> int:
    files = [task.file.file_path for task in table.scan(row_filter=asked.row_filter).plan_files()]
    return sum(_chunks(Path(path.removeprefix("file://"))) for path in files)


def _chunks(path: Path) -> int:
    """The bytes of the columns' chunks, and of the footer."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    return metadata.serialized_size + 8 + sum(c.total_compressed_size for c in chunks if c.path_in_schema in COLUMNS)


def bytes_read(process: int) -> int:
    """All that a process has read so far, by calls."""
    told = Path(f"/proc/{process}/io").read_text()
    return int(told.split("rchar:", 1)[1].split()[0])


def _median(found: list[dict[str, float]], key: str) -> float:
    return round(statistics.median(each[key] for each in found), 3)


@contextmanager
def _lake(folder: Path | None, days: int) -> Iterator[Path]:
    if folder is not None and (folder / "catalog.db").exists():
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory() as temporary:
        made = folder or Path(temporary)
        made.mkdir(parents=True, exist_ok=True)
        make(made.resolve(), days)
        yield made.resolve()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--folder", type=Path, help="where the lake is kept, or is")
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--runs", type=int, default=5, help="how many days are asked for")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    os.environ.setdefault("POLARS_ICEBERG_PLANNER", "pyiceberg")
    with _lake(arguments.folder, arguments.days) as folder:
        figures = run(folder, arguments.engines, arguments.runs)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, found in figures["engines"].items():
        print(f"{name:<8}" + "".join(f"  {key} {value:,}" for key, value in found.items()))


if __name__ == "__main__":
    main()
