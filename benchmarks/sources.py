"""Rows per CPU second out of each InfluxDB, beside the official clients' data frames and a plain loop over JSON.

`python -m benchmarks.sources [--rows N] [--runs N] [--before DIR] [--json]`

Servers of InfluxDB 1.8, InfluxDB 2 and the sandbox are started and filled with the same points: two tags and four
fields (two floats, an integer, a string). Each reader runs in a process of its own, and its CPU time is that of reading
the window: ours into Arrow batches, the clients' into what their data-frame calls return. `over_official` is ours over
the official client for the same server. `make bench-sources` installs the clients of InfluxDB 1 and 2. Landing zones
are measured with as many rows, by `benchmarks.files`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from influx_lake.config import Secret
from influx_lake.config.connections import InfluxDB1Config, InfluxDB2Config, InfluxDB3Config
from influx_lake.config.values.windows import Window
from influx_lake.sources import open_source

DATABASE, MEASUREMENT, ORG = "telemetry", "cpu", "plant"
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, datetime(2026, 3, 2, tzinfo=UTC))
_LINES_AT_ONCE = 20_000
_PAIRED = ("influxdb1", "influxdb2", "influxdb2-flux")
_BEFORE = "before-"


def lines(rows: int) -> list[str]:
    """Line protocol of one day."""
    start, step = WINDOW.start_us * 1000, 86_400 * 10**9 // rows
    return [
        f"{MEASUREMENT},host=h{number % 20},region=eu-{number % 3} "
        f"usage={number % 1000 / 7!r},idle={number % 997 / 3!r},"
        f'total={number}i,state="state {number % 5}" {start + number * step}'
        for number in range(rows)
    ]


def read_ours(kind: str, url: str, token: str) -> int:
    """Stream the window."""
    source = open_source(_CONFIGS[kind](url, Secret(token)))
    with source.read(source.schema(MEASUREMENT), WINDOW) as rows:
        found = sum(batch.num_rows for batch in rows)
    source.close()
    return found


_CONFIGS: dict[str, Callable[[str, Secret], Any]] = {
    "influxdb1": lambda url, token: InfluxDB1Config(type="influxdb1", host=url, database=DATABASE),
    "influxdb2": lambda url, token: InfluxDB2Config(type="influxdb2", host=url, org=ORG, bucket=DATABASE, token=token),
    "influxdb2-flux": lambda url, token: InfluxDB2Config(
        type="influxdb2", host=url, org=ORG, bucket=DATABASE, token=token, query_language="flux"
    ),
    "influxdb3": lambda url, token: InfluxDB3Config(host=url, database=DATABASE, token=token),
    "influxdb3-http": lambda url, token: InfluxDB3Config(host=url, database=DATABASE, token=token, protocol="http"),
}


def read_client1(url: str, _token: str) -> int:
    """influxdb's DataFrameClient, in one answer: it cannot read chunks of the server's default format."""
    from influxdb import DataFrameClient

    host, port = url.removeprefix("http://").split(":")
    found = DataFrameClient(host, int(port), database=DATABASE).query(f'SELECT * FROM "{MEASUREMENT}"', epoch="ns")
    return len(found[MEASUREMENT])


def read_client2(url: str, token: str) -> int:
    """influxdb-client's data frame of pivoted rows, which is what its documentation asks for."""
    from influxdb_client import InfluxDBClient

    script = (
        f'from(bucket: "{DATABASE}") |> range(start: {START:%Y-%m-%dT00:00:00Z}, stop: 2026-03-02T00:00:00Z)'
        f' |> filter(fn: (r) => r._measurement == "{MEASUREMENT}")'
        ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    )
    with InfluxDBClient(url, token, org=ORG, timeout=600_000) as client:
        found = client.query_api().query_data_frame(script)
    return sum(len(frame) for frame in (found if isinstance(found, list) else [found]))


def read_client3(url: str, token: str) -> int:
    """influxdb3-python's data frame."""
    from influxdb_client_3 import InfluxDBClient3

    client = InfluxDBClient3(host=url, database=DATABASE, token=token)
    found = client.query(f'SELECT * FROM "{MEASUREMENT}"', mode="pandas")
    client.close()
    return len(found)


def read_loop(url: str, token: str) -> int:
    """The rows of InfluxQL's JSON as Python objects, and nothing made of them."""
    import urllib.parse
    import urllib.request

    text = urllib.parse.urlencode(
        {"db": DATABASE, "q": f'SELECT * FROM "{MEASUREMENT}"', "epoch": "ns", "chunked": "true"}
    )
    request = urllib.request.Request(f"{url}/query?{text}", headers={"Authorization": f"Token {token}"})
    found = 0
    with urllib.request.urlopen(request) as answer:
        for line in answer:
            for series in json.loads(line)["results"][0].get("series", []):
                for row in series["values"]:
                    found += len(row) > 0
    return found


OTHERS: dict[str, Callable[[str, str], int]] = {
    "influxdb1-client": read_client1,
    "influxdb1-loop": read_loop,
    "influxdb2-client": read_client2,
    "influxdb2-loop": read_loop,
    "influxdb3-client": read_client3,
}
OFFICIAL = {
    "influxdb1": "influxdb1-client",
    "influxdb2": "influxdb2-client",
    "influxdb2-flux": "influxdb2-client",
    "influxdb3": "influxdb3-client",
    "influxdb3-http": "influxdb3-client",
}


@dataclass(frozen=True)
class Read:
    """What one reader did."""

    rows: int
    cpu: float
    wall: float


def read(case: str, url: str, token: str) -> Read:
    """Read once to have everything imported, then once for the clock."""
    run = (lambda: read_ours(case, url, token)) if case in _CONFIGS else (lambda: OTHERS[case](url, token))
    run()
    wall, cpu = time.perf_counter(), time.process_time()
    rows = run()
    return Read(rows, time.process_time() - cpu, time.perf_counter() - wall)


def measure(rows: int, runs: int, before: Path | None) -> dict[str, Any]:
    """Start the servers, fill them and let every reader read them."""
    from influx_lake.sandbox import Sandbox
    from testbed.influxdb_servers import TOKEN, influxdb1, influxdb2

    text = lines(rows)
    parts = ["\n".join(text[start : start + _LINES_AT_ONCE]) for start in range(0, rows, _LINES_AT_ONCE)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        v1 = stack.enter_context(influxdb1(folder / "v1", "1.8"))
        v2 = stack.enter_context(influxdb2(folder / "v2"))
        box = stack.enter_context(Sandbox())
        for part in parts:
            v1.write(part)
            v2.write(part)
            box.write(DATABASE, part)
        places = {"influxdb1": (v1.url, ""), "influxdb2": (v2.url, TOKEN), "influxdb3": (box.url, str(box.token))}
        found: dict[str, list[Read]] = {}
        for case in _CONFIGS if before else (*_CONFIGS, *OTHERS):
            for _ in range(runs):
                if before and case in _PAIRED:
                    found.setdefault(_BEFORE + case, []).append(_in_process(case, *places[case[:9]], build=before))
                found.setdefault(case, []).append(_in_process(case, *places[case[:9]]))
    wrong = {case: reads[0].rows for case, reads in found.items() if {each.rows for each in reads} != {rows}}
    if wrong:
        raise SystemExit(f"{rows} rows were written, and read were {wrong}")
    speed = {case: round(rows / statistics.median(each.cpu for each in reads)) for case, reads in found.items()}
    ratios = {"http_vs_flight": round(speed["influxdb3-http"] / speed["influxdb3"], 2)}
    if before:
        over = {case: round(speed[_BEFORE + case] / speed[case], 2) for case in _PAIRED}
        ratios["influxql_vs_before"] = max(over["influxdb1"], over["influxdb2"])
        ratios["flux_vs_before"] = over["influxdb2-flux"]
    return {
        "rows": rows,
        "runs": runs,
        "rows_per_cpu_second": speed,
        "rows_per_second": {
            case: round(rows / statistics.median(each.wall for each in reads)) for case, reads in found.items()
        },
        **ratios,
        "over_official": {
            case: round(speed[case] / speed[official], 2) for case, official in OFFICIAL.items() if official in speed
        },
    }


def _in_process(case: str, url: str, token: str, *, build: Path | None = None) -> Read:
    """Run a reader in a process of its own, of this build or another."""
    import subprocess

    python = sys.executable if build is None else str((build / "bin/python").absolute())
    command = [python, "-m", "benchmarks.sources", "--read", case, url, token]
    source = None if build is None else build / "source"
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=source)
    return Read(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--before", type=Path, metavar="DIR", help="the environment of a build to pair with this one")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--read", nargs=3, metavar=("CASE", "URL", "TOKEN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(asdict(read(*options.read))))
        return
    found = measure(options.rows, options.runs, options.before)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for case, speed in found["rows_per_cpu_second"].items():
        times = found["over_official"].get(case)
        print(f"{case:22} {speed:>12,} rows per CPU second" + (f"  {times} x the official client" if times else ""))
    for name in ("http_vs_flight", "influxql_vs_before", "flux_vs_before"):
        if name in found:
            print(f"{name:22} {found[name]:>12}")


if __name__ == "__main__":
    main()
