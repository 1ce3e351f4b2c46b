"""What a lake of many measurements costs Dagster: loading its definitions, its sensors' ticks, its pages.

`python -m benchmarks.scale --json --sizes 1000,10000` prints, for lakes of so many measurements that a pattern matches
(up to 1,000 with 1,000 daily partitions each, of one database; more of them hourly, over five years, of databases of
200 each), whose tables hold one window:

- `import_cpu_s_N`: CPU seconds of `python -c 'import dagster'`, the median of those taken beside the others.
- `load_cpu_s_N`: those of a process that starts, imports everything and builds the code location, the median of three;
  `load_vs_import_N` is their ratio.
- `tick_cpu_s_N`: CPU seconds of the costliest tick, of all schedules and sensors, each evaluated in a process that has
  not ticked before, the median of three; `tick_vs_import_N`; `ticks_N`: each tick's CPU seconds; `ticks_again_N`: those
  of its second tick; `tick_queries_N`: how many queries a tick sent to InfluxDB, the most of all.
- `rss_mb_N`: the most memory that one of those processes took.
- `page_s_N`: seconds until the webserver, once it is up, answers what an asset's page asks for; `overview_page_s_N`:
  the page of an overview; `catalog_s_N`: the list of all assets.
- `status_s_N`, `check_s_N`: seconds that `influx-lake status` and `influx-lake check` take, their processes' start too.

`--automation declarative` does the same with Dagster's conditions in place of schedules. `--keep FOLDER` keeps the
lakes, and uses those that are there: to make one of 10,000 tables takes ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.inputs.many_measurements import ManyMeasurements

SIZES = (1, 100, 1_000)
TIMES = 3
_ASSET = """
query Page($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    __typename
    ... on AssetNode {
      id description kinds partitionStats { numMaterialized numPartitions numFailed numMaterializing }
      assetMaterializations(limit: 30) { partition metadataEntries { label } }
      assetPartitionStatuses { __typename ... on TimePartitionStatuses { ranges { startKey endKey status } } }
    }
  }
}
"""
_CATALOG = """
query Catalog {
  assetNodes { id assetKey { path } groupName kinds description owners { __typename } tags { key value } isPartitioned }
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--sizes", nargs="*", default=SIZES, help="how many measurements: 1,100 or 1 100")
    parser.add_argument("--automation", choices=["on", "declarative"], default="on", help="what loads windows")
    parser.add_argument("--keep", type=Path, help="where lakes are kept, and found")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case(*options.case)
        return
    figures: dict[str, Any] = {}
    for size in [int(size) for text in options.sizes for size in str(text).split(",")]:
        with folder_of(options.keep, size, options.automation) as folder:
            lake = ManyMeasurements(folder, size, options.automation)
            with lake.served():
                figures |= {f"{name}_{size}": value for name, value in measure(lake).items()}
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


@contextmanager
def folder_of(kept: Path | None, size: int, automation: str) -> Iterator[Path]:
    if kept is not None:
        folder = kept.absolute() / f"{automation}-{size}"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    else:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)


def measure(lake: ManyMeasurements) -> dict[str, Any]:
    # Before the others: it may have to compile what they import.
    names = run_case(lake, "names", "")["names"]
    imports, loads = [], []
    for _ in range(TIMES):
        imports.append(imported(lake))
        loads.append(run_case(lake, "load", ""))
    first = {name: run_case(lake, "tick", name) for name in names}
    dearest = max(first, key=lambda name: first[name]["cpu"])
    ticks = [first[dearest]]
    for _ in range(TIMES - 1):
        imports.append(imported(lake))
        ticks.append(run_case(lake, "tick", dearest))
    with webserver(lake) as url:
        pages = pages_of(lake, url)
    reference, loaded = statistics.median(imports), statistics.median(each["cpu"] for each in loads)
    tick = statistics.median(each["cpu"] for each in ticks)
    return {
        "import_cpu_s": reference,
        "load_cpu_s": loaded,
        "load_vs_import": round(loaded / reference, 2),
        "tick_cpu_s": tick,
        "tick_vs_import": round(tick / reference, 2),
        "dearest_tick": dearest,
        "tick_queries": max(each["queries"] for each in first.values()),
        "ticks": {name: each["cpu"] for name, each in first.items()},
        "ticks_again": {name: each["again"] for name, each in first.items()},
        "rss_mb": max(each["rss_mb"] for each in (*loads, *ticks, *first.values())),
        **pages,
        "status_s": command(lake, "status"),
        "check_s": command(lake, "check"),
    }


def imported(lake: ManyMeasurements) -> float:
    code = "import time; import dagster; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], env=environment(lake), stdout=subprocess.PIPE, check=True)
    return round(float(done.stdout), 3)


def command(lake: ManyMeasurements, name: str) -> float:
    """The seconds that a command takes."""
    began = time.monotonic()
    called = [sys.executable, "-m", "influx_lake.cli", name, "-c", str(lake.config)]
    subprocess.run(called, env=environment(lake), stdout=subprocess.DEVNULL, check=False)
    return round(time.monotonic() - began, 2)


def run_case(lake: ManyMeasurements, name: str, argument: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--case", name, argument],
        env=environment(lake),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(lake: ManyMeasurements) -> dict[str, str]:
    own = {"INFLUX_LAKE_CONFIG": str(lake.config), "DAGSTER_HOME": str(lake.folder / "home")}
    # Compiling all that is imported, each time, would be half of what a process costs.
    return {name: value for name, value in (os.environ | own).items() if name != "PYTHONDONTWRITEBYTECODE"}


def case(name: str, argument: str) -> None:
    """What a process of its own does; the last line of its output is JSON."""
    from influx_lake.definitions import defs

    repository = defs().get_repository_def()
    if name == "load":
        assert repository.assets_defs_by_key
        print(json.dumps({"cpu": round(time.process_time(), 2), "rss_mb": rss_mb()}))
    elif name == "names":
        timers = [*repository.schedule_defs, *repository.sensor_defs]
        print(json.dumps({"names": [timer.name for timer in timers]}))
    else:
        print(json.dumps({**ticks_of(repository, argument), "rss_mb": rss_mb()}))


def rss_mb() -> int:
    """The most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def ticks_of(repository: Any, name: str) -> dict[str, Any]:
    """What the first tick of a process costs, and the one after it."""
    import dagster as dg

    from influx_lake.sources.influxdb3.flight import FlightConnection

    queries, stream = [0], FlightConnection.stream

    def counted(*arguments: Any) -> Any:
        queries[0] += 1
        return stream(*arguments)

    FlightConnection.stream = counted  # type: ignore[method-assign]
    resources = repository.get_top_level_resources()
    with dg.DagsterInstance.get() as instance:
        now, began = datetime.now(UTC), time.process_time()
        cursor = tick(repository, name, instance, resources, now, None)
        cpu, sent, again = time.process_time() - began, queries[0], time.process_time()
        tick(repository, name, instance, resources, now + timedelta(minutes=1), cursor)
        return {"cpu": round(cpu, 2), "queries": sent, "again": round(time.process_time() - again, 2)}


def tick(repository: Any, name: str, instance: Any, resources: Any, now: datetime, cursor: str | None) -> str | None:
    """One tick; gives its cursor."""
    import dagster as dg

    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    if name in schedules:
        with dg.build_schedule_context(
            instance=instance, repository_def=repository, resources=resources, scheduled_execution_time=now
        ) as context:
            schedules[name].evaluate_tick(context)
        return None
    sensor = repository.get_sensor_def(name)
    if isinstance(sensor, dg.AutomationConditionSensorDefinition):
        graph = repository.asset_graph
        if graph.executable_asset_keys:
            dg.evaluate_automation_conditions(defs=list(graph.assets_defs), instance=instance)
        return None
    if isinstance(sensor, dg.RunStatusSensorDefinition):
        return None
    with dg.build_sensor_context(
        instance=instance, repository_def=repository, resources=resources, cursor=cursor
    ) as sensor_context:
        found: str | None = sensor.evaluate_tick(sensor_context).cursor
        return found


@contextmanager
def webserver(lake: ManyMeasurements) -> Iterator[str]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-m", "influx_lake.definitions", "-h", "127.0.0.1"]
    server = subprocess.Popen([*command, "-p", str(port)], env=environment(lake), stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def pages_of(lake: ManyMeasurements, url: str) -> dict[str, float]:
    """The seconds that pages take."""
    deadline = time.monotonic() + 300
    page = {"key": {"path": lake.asset}}
    while answered(url, _ASSET, page)["data"]["assetNodeOrError"]["__typename"] != "AssetNode":
        if time.monotonic() > deadline:
            raise SystemExit("the webserver did not come up")
        time.sleep(0.5)
    overview = {"key": {"path": ["influx_lake", "overview", lake.asset[0]]}}
    return {
        "page_s": timed(url, _ASSET, page),
        "overview_page_s": timed(url, _ASSET, overview),
        "catalog_s": timed(url, _CATALOG, {}),
    }


def timed(url: str, query: str, variables: dict[str, Any]) -> float:
    """The median of the seconds that an answer takes."""
    taken = []
    for _ in range(TIMES):
        began = time.monotonic()
        answered(url, query, variables)
        taken.append(time.monotonic() - began)
    return round(statistics.median(taken), 3)


def answered(url: str, query: str, variables: dict[str, Any]) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.load(reply)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    main()
