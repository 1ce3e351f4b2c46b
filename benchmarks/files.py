"""Files to committed windows, beside DuckDB and gzip in the same run.

    python -m benchmarks.files [--rows N] [--points N] [--data VARIANT] [--only PATH] [--runs N] [--before DIR] [--json]

- `json_vs_duckdb`, `csv_vs_duckdb`, `parquet_vs_duckdb`: rows per CPU second from a day's landed files, in hourly
  folders, to a committed window of an Iceberg table, over those of DuckDB with one thread, which reads the same files
  (`read_json`, `read_csv`, `read_parquet`) and writes them as one file of Parquet (zstd) with `COPY`. On our side are
  learning the columns, taking the files apart, and the commit.
- `lp_vs_gzip`: MB of text per second, by the clock, of a .gz of line protocol that is taken apart, over those of
  `gzip -dc | wc -l`.
- `lp_vs_before`, `json_vs_before`, `csv_vs_before`, `parquet_vs_before`: CPU of another build over ours; `make
  bench-before REF=<commit>` makes it and pairs it with the working tree (`FILES="--only lp --json"` are options).

Each case runs in a process of its own, the cases in turns; figures are medians. `--data` says what rows are like:
`wide` (60 fields more), `few-rows` (20 rows a series), `hosts-200`, `hosts-200000`, `texts` (which do not repeat),
`telegraf` (line protocol of a real Telegraf).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyiceberg.io.pyarrow  # noqa: F401 - a process imports it once, however many windows it writes

from benchmarks.inputs.landed_data import FOLDERS, START, TAGS, VARIANTS, export, land, telegraf
from testbed.measure import Cost, in_process, measured, median

LANDED = ("json", "csv", "parquet")
_STRFTIME = {"%Y": "{year}", "%m": "{month}", "%d": "{day}", "%H": "{hour}", "cpu": "{measurement}"}


def loading(kind: str, landed: Path, folder: Path) -> Callable[[], int]:
    """The load of a day of landed files into a table, which tells how many bytes it wrote."""
    from influx_lake.config import LandingZoneConfig, Measurement
    from influx_lake.config.values.windows import Every, Scheme
    from influx_lake.replication.window import replicate_window
    from influx_lake.sources import open_source
    from testbed.local_catalog import local_catalog

    path = FOLDERS
    for letter, name in _STRFTIME.items():
        path = path.replace(letter, name)
    options = {"type": "landing_zone", "path": f"{landed}/{path}", "database": "bench", "format": kind,
               "timestamp_units": "us", "tags": list(TAGS), "staging": f"{folder}/staging"}  # fmt: skip
    source = open_source(LandingZoneConfig.model_validate(options))
    scheme = Scheme(Every.DAY, START - timedelta(days=1))
    cpu = Measurement(
        key="cpu", name="cpu", source="default", database="bench", namespace=("bench",), table="cpu", scheme=scheme
    )
    catalog = local_catalog(folder)

    def load(day: int) -> int:
        window = scheme.window_at(START + timedelta(days=day))
        return replicate_window(source, catalog, cpu, window, run_id="benchmark").bytes_written

    if kind == "parquet":
        # Where the files say their columns, this reads nothing of the day.
        load(-1)
    return lambda: load(0)


def duckdb_copy(kind: str, landed: Path, folder: Path) -> Callable[[], int]:
    """The same files, read and written as Parquet by DuckDB."""
    import duckdb

    connection, out = duckdb.connect(config={"threads": 1}), folder / "out.parquet"
    files = f"{landed}/{START.strftime('cpu/year=%Y/month=%m/day=%d')}/*/*.{kind}"

    def copy() -> int:
        connection.execute(
            f"COPY (SELECT * FROM read_{kind}('{files}', hive_partitioning = false)) TO '{out}' "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        return out.stat().st_size

    return copy


def taking_apart(file: Path, folder: Path) -> Callable[[], int]:
    """Line protocol, read into the staging folder; tells how many bytes that has."""
    from influx_lake.config import LineProtocolConfig
    from influx_lake.sources import open_source

    options = {"type": "line_protocol", "path": str(file), "database": "bench", "staging": f"{folder}/staging"}
    source = open_source(LineProtocolConfig.model_validate(options))

    def take_apart() -> int:
        source.schema("cpu")
        return sum(each.stat().st_size for each in (folder / "staging").rglob("*") if each.is_file())

    return take_apart


def gzip_wc(file: Path) -> float:
    """Seconds of `gzip -dc | wc -l`, by the clock."""
    began = time.monotonic()
    subprocess.run(f"gzip -dc '{file}' | wc -l", shell=True, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def case(name: str, data: Path, folder: Path) -> Callable[[], int]:
    """The case of a name: a format, `duckdb-` and a format, or `lp`."""
    if name == "lp":
        return taking_apart(data, folder)
    engine, _, kind = name.rpartition("-")
    return (duckdb_copy if engine else loading)(kind, data, folder)


def turns(names: list[str], data: Path, runs: int, before: Path | None) -> dict[str, list[Cost]]:
    """The costs of cases, in turns; those of the build before under `before-`."""
    costs: dict[str, list[Cost]] = {}
    for _ in range(runs):
        for name in names:
            costs.setdefault(name, []).append(in_process("benchmarks.files", "--case", name, str(data)))
            if before and not name.startswith("duckdb"):
                costs.setdefault(f"before-{name}", []).append(_in_build(before, name, data))
    return costs


def _in_build(build: Path, name: str, data: Path) -> Cost:
    """A case in another build, which has this benchmark beside its own package."""
    command = [str(build.absolute() / "bin/python"), "-m", "benchmarks.files", "--case", name, str(data)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=build / "source")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def landed(kind: str, rows: int, variant: str, runs: int, before: Path | None) -> dict[str, Any]:
    """A format of landed files."""
    with tempfile.TemporaryDirectory() as folder:
        size = land(Path(folder), kind, VARIANTS[variant], rows)
        costs = turns([kind, f"duckdb-{kind}"], Path(folder), runs, before)
    ours, duck = costs[kind], costs[f"duckdb-{kind}"]
    found = {
        f"{kind}_vs_duckdb": round(median(duck, "cpu") / median(ours, "cpu"), 3),
        "file_mb": round(size, 1),
        "rows_per_cpu_second": round(rows / median(ours, "cpu")),
        "rows_per_second": round(rows / median(ours, "wall")),
        "duckdb_rows_per_cpu_second": round(rows / median(duck, "cpu")),
        "peak_mb": round(median(ours, "peak_mb")),
    }
    if before:
        found[f"{kind}_vs_before"] = round(median(costs[f"before-{kind}"], "cpu") / median(ours, "cpu"), 3)
    return found


def line_protocol(count: int, variant: str, runs: int, before: Path | None) -> dict[str, Any]:
    """A .gz of line protocol."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "points.lp.gz"
        size = (telegraf(file, count // 400) if variant == "telegraf" else export(file, count, _series(variant))) / 1e6
        plain = sorted(gzip_wc(file) for _ in range(runs))[runs // 2]
        costs = turns(["lp"], file, runs, before)
        packed = file.stat().st_size / 1e6
    ours = costs["lp"]
    found = {
        "lp_vs_gzip": round(plain / median(ours, "wall"), 3),
        "file_mb": round(size, 1),
        "gz_mb": round(packed, 1),
        "staged_mb": round(median(ours, "bytes") / 1e6, 1),
        "gzip_wc_mb_per_second": round(size / plain, 1),
        "mb_per_second": round(size / median(ours, "wall"), 1),
        "mb_per_cpu_second": round(size / median(ours, "cpu"), 1),
        "peak_mb": round(median(ours, "peak_mb")),
    }
    if before:
        found["lp_vs_before"] = round(median(costs["before-lp"], "cpu") / median(ours, "cpu"), 3)
    return found


def _series(variant: str) -> int:
    return {"few-rows": 100_000, "hosts-200": 200, "hosts-200000": 200_000}.get(variant, 1_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of landed files")
    parser.add_argument("--points", type=int, default=2_000_000, help="points of line protocol, of two fields")
    parser.add_argument("--data", choices=[*VARIANTS, "telegraf"], default="plain")
    parser.add_argument("--only", choices=[*LANDED, "lp"], action="append")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--before", type=Path, help="a build that `make bench-before` made")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--case", nargs=2, metavar=("NAME", "DATA"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        with tempfile.TemporaryDirectory() as folder:
            measured(case(given.case[0], Path(given.case[1]), Path(folder))).report()
        return
    wanted = given.only or (["lp"] if given.data == "telegraf" else ["lp", *LANDED])
    found: dict[str, Any] = {"data": given.data, "runs": given.runs, "rows": given.rows, "points": given.points}
    for kind in wanted:
        if kind == "lp":
            found["lp"] = line_protocol(given.points, given.data, given.runs, given.before)
        else:
            found[kind] = landed(kind, given.rows, given.data, given.runs, given.before)
    found |= {name: value for kind in wanted for name, value in found[kind].items() if "_vs_" in name}
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for name in wanted:
        print(name + "".join(f"\n  {figure:28} {value:>14,}" for figure, value in found[name].items()))


if __name__ == "__main__":
    main()
