"""What the plugin costs a real InfluxDB 3 Core: CPU seconds of the server's process, with it and without.

Points are written at a steady rate over HTTP, of now and late ones, and the CPU time of the process is taken. Needs the
program of InfluxDB 3 Core in INFLUX_LAKE_TEST_INFLUXDB3_BINARY. `--json` prints the figures:

    without             CPU seconds for a million points: writing alone
    empty               with a plugin that does nothing: what the engine itself takes to hand the points over
    young               with the plugin: points of now, which it does not tell
    late                with the plugin: each point is late, and told by the table of changes
    points_per_second   how many were written at least; less than asked for where the machine was too slow

A server that was built without optimisation exaggerates what the engine takes; the plugin's own Python is the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from influx_lake.config import InfluxDB3Config, Secret
from influx_lake.engine.server import EngineServer
from influx_lake.engine.triggers import Trigger, request_path
from testbed.influxdb3_core import InfluxDB3Core, influxdb3_core

PER_REQUEST = 10_000
YEAR_NS = 365 * 86_400 * 10**9
_EMPTY = "def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n"


def body(first: int | None) -> bytes:
    """Points of ten tables; from a time on, or without times, which the server gives them."""
    lines = (
        f"table_{place % 10},host=host_{place},region=eu-west-1 usage_user={place * 0.25},usage_system={place * 0.5},"
        f"processes={place}i,healthy=true" + ("" if first is None else f" {first + place}")
        for place in range(PER_REQUEST)
    )
    return "\n".join(lines).encode()


def measure(core: InfluxDB3Core, database: str, rate: int, seconds: float, first: int | None) -> tuple[float, float]:
    """The CPU seconds that the server takes for a million points, and the points a second that it took."""
    sent, written, began, cpu = body(first), 0, time.monotonic(), core.cpu_seconds
    pause = PER_REQUEST / rate

    def write(turn: int) -> None:
        time.sleep(max(0.0, began + turn * pause - time.monotonic()))
        core.request("POST", "/api/v3/write_lp", sent, db=database, precision="nanosecond")

    # Each waits for a WAL flush: several are under way at once.
    with ThreadPoolExecutor(64) as threads:
        for _ in threads.map(write, range(round(seconds * rate / PER_REQUEST))):
            written += PER_REQUEST
    lasted = time.monotonic() - began
    return (core.cpu_seconds - cpu) / written * 1e6, written / lasted


def figures(rate: int, seconds: float) -> dict[str, float]:
    """All of them."""
    found: dict[str, float] = {}
    speeds: list[float] = []
    with tempfile.TemporaryDirectory() as folder, influxdb3_core(Path(folder)) as core:
        (core.plugin_dir / "empty.py").write_text(_EMPTY)
        late = time.time_ns() - YEAR_NS
        for name, plugin, first in (
            ("without", None, None),
            ("empty", "empty", None),
            ("young", "ours", None),
            ("late", "ours", late),
        ):
            database = f"bench_{uuid.uuid4().hex[:8]}"
            core.request("POST", "/api/v3/write_lp", body(first), db=database, precision="nanosecond")
            _install(core, database, plugin)
            taken, speed = measure(core, database, rate, seconds, first)
            found[name] = round(taken, 3)
            speeds.append(speed)
            _remove(core, database, plugin)
    found["points_per_second"] = round(min(speeds))
    return found


def _server(core: InfluxDB3Core, database: str) -> EngineServer:
    return EngineServer(InfluxDB3Config(host=core.url, database=database, token=Secret(core.token)))


def _remove(core: InfluxDB3Core, database: str, plugin: str | None) -> None:
    # The database stays: Core has room for five.
    with closing(_server(core, database)) as server:
        for name in {None: (), "empty": ("empty",), "ours": ("writes", "tick", "requests")}[plugin]:
            server.delete(name)


def _install(core: InfluxDB3Core, database: str, plugin: str | None) -> None:
    server = _server(core, database)
    arguments = {"database": database, "younger_than": "300"}
    if plugin == "ours":
        server.upload()
        for name, specification in (
            ("writes", "all_tables"),
            ("tick", "every:5s"),
            ("requests", f"request:{request_path(database)}"),
        ):
            server.create(Trigger(name, specification, arguments))
    elif plugin is not None:
        core.run(
            *("create", "trigger", "--database", database, "--path", f"{plugin}.py", "--trigger-spec", "all_tables"),
            plugin,
        )
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100_000, help="points a second")
    parser.add_argument("--seconds", type=float, default=30, help="how long each is measured")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    found = figures(options.rate, options.seconds)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:20} {value:>12,.3f}")


if __name__ == "__main__":
    main()
