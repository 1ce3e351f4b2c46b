"""What a lake of many measurements costs Dagster: loading its definitions, its sensors' ticks, its pages.

`python -m benchmarks.scale --json` prints, for lakes of 1, 100 and 1,000 measurements that a pattern matches, with
1,000 daily partitions each, whose tables hold one day:

- `load_cpu_s_N`: CPU seconds of a process that starts, imports everything and builds the code location.
- `tick_cpu_s_N`: CPU seconds of the costliest tick, of all schedules and sensors, each evaluated in a process that has
  not ticked before; `tick_queries_N`: how many queries its tick sent to InfluxDB; `ticks_N`: each tick's CPU seconds.
- `page_s_N`: seconds until the webserver answers what an asset's page asks for, once it is up.

`--automation declarative` does the same with Dagster's conditions in place of schedules.
"""

from __future__ import annotations

import argparse
import json
import os
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

from influx_lake.sandbox import Sandbox

DAYS = 1_000
SIZES = (1, 100, 1_000)
LAKE = """\
automation: {automation}
sources:
  default: {{host: "{url}", database: telemetry, token: "${{file:token}}"}}
catalog: {{type: sql, uri: 'sqlite:///./catalog.db', warehouse: ./warehouse}}
defaults:
  partition: {{start: {start}}}
measurements:
  "m*": {{}}
"""
PAGE = """
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="how many measurements")
    parser.add_argument("--automation", choices=["on", "declarative"], default="on", help="what loads windows")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case(*options.case)
        return
    figures: dict[str, Any] = {}
    with Sandbox() as box:
        for size in options.sizes:
            with tempfile.TemporaryDirectory() as folder:
                measured = measure(box, Path(folder), size, options.automation)
                figures |= {f"{name}_{size}": value for name, value in measured.items()}
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


def measure(box: Sandbox, folder: Path, size: int, automation: str) -> dict[str, Any]:
    prepare(box, folder, size, automation)
    # Before the others: it may have to compile what they import.
    names = run_case(folder, "names", "")["names"]
    loaded = run_case(folder, "load", "")
    ticks = {name: run_case(folder, "tick", name) for name in names}
    worst = max(ticks.values(), key=lambda each: each["cpu"])
    with webserver(folder) as url:
        page = timed_page(url)
    return {
        "load_cpu_s": loaded["cpu"],
        "tick_cpu_s": worst["cpu"],
        "tick_queries": max(each["queries"] for each in ticks.values()),
        "ticks": {name: each["cpu"] for name, each in ticks.items()},
        "page_s": page,
    }


def prepare(box: Sandbox, folder: Path, size: int, automation: str) -> None:
    """A lake whose tables hold one day of three points."""
    from influx_lake.cli.entry import run

    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = today - timedelta(days=5)
    lines = (f"m{n:04},host=h{h} v={n}.5 {int(day.timestamp()) + h}" for n in range(size) for h in range(3))
    box.write("telemetry", "\n".join(lines), precision="s")
    (folder / "token").write_text(str(box.token))
    (folder / "lake.yaml").write_text(
        LAKE.format(url=box.url, start=f"{today - timedelta(days=DAYS):%Y-%m-%d}", automation=automation)
    )
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    bounds = ["--start", f"{day:%Y-%m-%d}", "--end", f"{day + timedelta(days=1):%Y-%m-%d}"]
    for command in (["discover"], ["replicate", "--all", *bounds]):
        if run([*command, "-c", str(folder / "lake.yaml"), "--json"]):
            raise SystemExit(f"{command} failed")


def run_case(folder: Path, name: str, argument: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--case", name, argument],
        env=environment(folder),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(folder: Path) -> dict[str, str]:
    own = {"INFLUX_LAKE_CONFIG": str(folder / "lake.yaml"), "DAGSTER_HOME": str(folder / "home")}
    # Compiling all that is imported, each time, would be half of what a process costs.
    return {name: value for name, value in (os.environ | own).items() if name != "PYTHONDONTWRITEBYTECODE"}


def case(name: str, argument: str) -> None:
    """What a process of its own does; the last line of its output is JSON."""
    from influx_lake.definitions import defs

    repository = defs().get_repository_def()
    if name == "load":
        assert repository.assets_defs_by_key
        print(json.dumps({"cpu": round(time.process_time(), 2)}))
    elif name == "names":
        timers = [*repository.schedule_defs, *repository.sensor_defs]
        print(json.dumps({"names": [timer.name for timer in timers]}))
    else:
        print(json.dumps(tick(repository, argument)))


def tick(repository: Any, name: str) -> dict[str, Any]:
    import dagster as dg

    from influx_lake.orchestration.definitions import build_definitions
    from influx_lake.orchestration.location import current_lake
    from influx_lake.sources.influxdb3.flight import FlightConnection

    queries, stream = [0], FlightConnection.stream

    def counted(*arguments: Any) -> Any:
        queries[0] += 1
        return stream(*arguments)

    FlightConnection.stream = counted  # type: ignore[method-assign]
    resources = build_definitions(current_lake()).resources
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    with dg.DagsterInstance.get() as instance:
        began = time.process_time()
        if name in schedules:
            with dg.build_schedule_context(
                instance=instance,
                repository_def=repository,
                resources=resources,
                scheduled_execution_time=datetime.now(UTC),
            ) as context:
                schedules[name].evaluate_tick(context)
        elif isinstance(sensor := repository.get_sensor_def(name), dg.AutomationConditionSensorDefinition):
            graph = repository.asset_graph
            if graph.executable_asset_keys:
                dg.evaluate_automation_conditions(defs=list(graph.assets_defs), instance=instance)
        elif not isinstance(sensor, dg.RunStatusSensorDefinition):
            with dg.build_sensor_context(
                instance=instance, repository_def=repository, resources=resources
            ) as sensor_context:
                sensor.evaluate_tick(sensor_context)
        return {"cpu": round(time.process_time() - began, 2), "queries": queries[0]}


@contextmanager
def webserver(folder: Path) -> Iterator[str]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-m", "influx_lake.definitions", "-h", "127.0.0.1"]
    server = subprocess.Popen([*command, "-p", str(port)], env=environment(folder), stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def timed_page(url: str) -> float:
    body = {"query": PAGE, "variables": {"key": {"path": ["telemetry", "m0000"]}}}
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        began = time.monotonic()
        try:
            request = urllib.request.Request(
                f"{url}/graphql", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as reply:
                answer = json.load(reply)
            if answer["data"]["assetNodeOrError"]["__typename"] == "AssetNode":
                return round(time.monotonic() - began, 3)
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit("the webserver did not come up")


if __name__ == "__main__":
    main()
