"""A year of daily windows, tiny ones, backfilled through Dagster: what a window costs beyond its rows.

`python -m benchmarks.backfill --json` prints

- `ms_per_window`: wall time per window of one run over the whole year, from a sandbox to tables on this disk, on an
  instance in SQLite as `influx-lake ui` has it, in this process, its definitions loaded.
- `ms_per_window_one_run_each`: the same with a run for each window, of a sample of windows.
- `ms_per_window_parallel`: as the first, two windows at a time.
- `bare_ms_per_window`: the same windows read through the source one after the other, and their batches written to a
  Parquet file each, and nothing else.
- `overhead_ms_per_window`: `ms_per_window` without the bare part: what commits, guards and Dagster cost.
- `cpu_ms_per_window`, `bare_cpu_ms_per_window`, `overhead_cpu_ms_per_window`: the same in CPU time of this process, the
  sandbox in it: what a machine with other work on it does not change.
- `events_cpu_ms_per_window`: what of that Dagster's storage takes to write a window's events.
- `overhead_vs_bare`, `overhead_vs_bare_cpu`: a window as a multiple of the bare one, by the clock and by CPU. By the
  clock, how long this disk takes to write a transaction of SQLite is in it.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import yaml

from influx_lake.config import InfluxDB3Config, Lake, lake_of
from influx_lake.config.values.windows import Window
from influx_lake.orchestration.definitions import build_definitions
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_reliable_source

# As `influx-lake ui` runs Dagster: otherwise it writes every event in a transaction of its own.
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "50")
START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 365
SAMPLE = 20
TABLE = dg.AssetKey(["telemetry", "cpu"])


@dataclass
class Cost:
    """What something took, in seconds."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    cost, wall, cpu = Cost(), time.perf_counter(), time.process_time()
    yield cost
    cost.wall, cost.cpu = time.perf_counter() - wall, time.process_time() - cpu


def lake_in(box: Sandbox, folder: Path, parallel: int) -> Lake:
    token = folder / "token"
    token.write_text(str(box.token))
    folder = folder / str(time.monotonic_ns())
    return lake_of(
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


def definitions(box: Sandbox, folder: Path, parallel: int) -> dg.RepositoryDefinition:
    return build_definitions(lake_in(box, folder, parallel)).get_repository_def()


def bare(box: Sandbox, folder: Path, days: range) -> Cost:
    """Windows read through the source, and their batches written, and nothing else."""
    source_config = lake_in(box, folder, parallel=1).sources["default"]
    assert isinstance(source_config, InfluxDB3Config)
    source = open_reliable_source(source_config)
    schema = source.schema("cpu")
    with measured() as cost:
        for day in days:
            window = Window(START + timedelta(days=day), START + timedelta(days=day + 1))
            with (
                source.read(schema, window) as rows,
                pq.ParquetWriter(folder / f"{day}.parquet", rows.schema, compression="zstd") as writer,
            ):
                for batch in rows:
                    writer.write_batch(batch)
    source.close()
    return cost


@contextmanager
def instance_as_the_ui_has_it() -> Iterator[dg.DagsterInstance]:
    """An instance in SQLite with the storage that dagster.yaml names."""
    settings = yaml.safe_load((files("influx_lake.cli") / "dagster.yaml").read_text(encoding="utf-8"))
    with (
        tempfile.TemporaryDirectory() as home,
        dg.instance_for_test({"storage": settings["storage"]}, temp_dir=home, set_dagster_home=True) as instance,
    ):
        yield instance


@contextmanager
def timed_events(instance: dg.DagsterInstance) -> Iterator[Cost]:
    """What the storage of an instance takes for the events that are written meanwhile."""
    storage, cost = instance.event_log_storage, Cost()
    stored = {"store_event": storage.store_event, "store_event_batch": storage.store_event_batch}
    inside = False

    def timed(store: Callable[[Any], None]) -> Callable[[Any], None]:
        def store_timed(events: Any) -> None:
            nonlocal inside
            # A batch may be stored one by one.
            outermost, inside = not inside, True
            wall, cpu = time.perf_counter(), time.thread_time()
            store(events)
            if outermost:
                inside = False
                cost.wall += time.perf_counter() - wall
                cost.cpu += time.thread_time() - cpu

        return store_timed

    for name, store in stored.items():
        setattr(storage, name, timed(store))
    try:
        yield cost
    finally:
        for name, store in stored.items():
            setattr(storage, name, store)


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


def run(repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, first: int, last: int) -> Cost:
    """What a run over some days takes."""
    ranged = {"dagster/asset_partition_range_start": key(first), "dagster/asset_partition_range_end": key(last)}
    with measured() as cost:
        result = repository.get_job("__ASSET_JOB").execute_in_process(
            instance=instance,
            asset_selection=[TABLE],
            partition_key=key(first) if first == last else None,
            tags={} if first == last else ranged,
        )
    assert result.success
    return cost


def overhead(whole: Cost, bare: Cost, events: Cost, windows: int) -> dict[str, float]:
    """The figures per window, in milliseconds."""
    each = 1000 / windows
    return {
        "ms_per_window": whole.wall * each,
        "bare_ms_per_window": bare.wall * each,
        "overhead_ms_per_window": (whole.wall - bare.wall) * each,
        "cpu_ms_per_window": whole.cpu * each,
        "bare_cpu_ms_per_window": bare.cpu * each,
        "overhead_cpu_ms_per_window": (whole.cpu - bare.cpu) * each,
        "events_cpu_ms_per_window": events.cpu * each,
        "overhead_vs_bare": whole.wall / bare.wall,
        "overhead_vs_bare_cpu": whole.cpu / bare.cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--profile", action="store_true", help="print where the time of the one run goes")
    options = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.ERROR)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, instance_as_the_ui_has_it() as instance, Sandbox() as box:
        folder = Path(name)
        write_year(box)
        repository = definitions(box, folder, parallel=1)
        run(repository, instance, 0, 0)
        first = bare(box, folder, range(1, options.days))
        profile = cProfile.Profile(time.thread_time)
        if options.profile:
            profile.enable()
        with timed_events(instance) as events:
            whole = run(repository, instance, 1, options.days - 1)
        if options.profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("cumulative").print_stats(70)
        second = bare(box, folder, range(1, options.days))
        # Before and after, for what else the machine does changes.
        mean = Cost((first.wall + second.wall) / 2, (first.cpu + second.cpu) / 2)
        figures |= overhead(whole, mean, events, options.days - 1)
        repository = definitions(box, folder, parallel=2)
        run(repository, instance, 0, 0)
        figures["ms_per_window_parallel"] = (
            1000 * run(repository, instance, 1, options.days - 1).wall / (options.days - 1)
        )
        repository = definitions(box, folder, parallel=1)
        run(repository, instance, 0, 0)
        each = [run(repository, instance, day, day).wall for day in range(1, SAMPLE + 1)]
        figures["ms_per_window_one_run_each"] = 1000 * sum(each) / len(each)
    figures = {name: round(value, 2) for name, value in figures.items()}
    facts = {"windows": options.days, "sampled_runs": SAMPLE, **figures}
    print(json.dumps(facts) if options.json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
