"""A year of daily windows, tiny ones, backfilled through Dagster: what a window costs beyond its rows.

`python -m benchmarks.backfill --json` prints

- `ms_per_window`: wall time per window of one run over the whole year, from a sandbox to tables on this disk, on an
  instance in SQLite, in this process, its definitions loaded.
- `ms_per_window_one_run_each`: the same with a run for each window, of a sample of windows.
- `ms_per_window_parallel`: as the first, two windows at a time.

Nothing in them is the start of a process: a run worker takes seconds for that, once for each run.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import os
import pstats
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from influx_lake.config import lake_of
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox

# As `influx-lake ui` runs Dagster: otherwise it writes every event in a transaction of its own.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "50")
START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 365
SAMPLE = 20
TABLE = dg.AssetKey(["telemetry", "cpu"])


def definitions(box: Sandbox, folder: Path, parallel: int) -> dg.RepositoryDefinition:
    token = folder / "token"
    token.write_text(str(box.token))
    folder = folder / str(time.monotonic_ns())
    lake = lake_of(
        {
            "sources": {"default": {"host": box.url, "database": "telemetry", "token": f"${{file:{token}}}"}},
            "catalog": {"type": "sql", "uri": f"sqlite:///{folder}/c.db", "warehouse": f"{folder}/w"},
            "run": {"parallel_windows": parallel},
            "measurements": {
                "cpu": {"partition": {"start": f"{START:%Y-%m-%d}"}, "checks": {"source_equals_lake": False}}
            },
        },
        folder / "lake.yaml",
    )
    return build_definitions(lake).get_repository_def()


def write_year(box: Sandbox) -> None:
    lines = (
        f"cpu,host=h{host} usage={day}.5,count={host}i {int((START + timedelta(days=day, hours=hour)).timestamp())}"
        for day in range(DAYS)
        for hour in range(0, 24, 6)
        for host in range(3)
    )
    box.write("telemetry", "\n".join(lines), precision="s")


def key(day: int) -> str:
    return f"{START + timedelta(days=day):%Y-%m-%d}"


def run(repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, first: int, last: int) -> float:
    """Seconds that a run over some days takes."""
    ranged = {"dagster/asset_partition_range_start": key(first), "dagster/asset_partition_range_end": key(last)}
    began = time.perf_counter()
    result = repository.get_job("__ASSET_JOB").execute_in_process(
        instance=instance,
        asset_selection=[TABLE],
        partition_key=key(first) if first == last else None,
        tags={} if first == last else ranged,
    )
    assert result.success
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--profile", action="store_true", help="print where the time of the one run goes")
    options = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.ERROR)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, dg.instance_for_test() as instance, Sandbox() as box:
        folder = Path(name)
        write_year(box)
        repository = definitions(box, folder, parallel=1)
        run(repository, instance, 0, 0)
        profile = cProfile.Profile()
        if options.profile:
            profile.enable()
        figures["ms_per_window"] = 1000 * run(repository, instance, 1, options.days - 1) / (options.days - 1)
        if options.profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("cumulative").print_stats(70)
        repository = definitions(box, folder, parallel=2)
        run(repository, instance, 0, 0)
        figures["ms_per_window_parallel"] = 1000 * run(repository, instance, 1, options.days - 1) / (options.days - 1)
        repository = definitions(box, folder, parallel=1)
        run(repository, instance, 0, 0)
        each = [run(repository, instance, day, day) for day in range(1, SAMPLE + 1)]
        figures["ms_per_window_one_run_each"] = 1000 * sum(each) / len(each)
    figures = {name: round(value, 1) for name, value in figures.items()}
    facts = {"windows": options.days, "sampled_runs": SAMPLE, **figures}
    print(json.dumps(facts) if options.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
