"""One view over the lake and real servers of InfluxDB 1 and 2, in both of their languages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import polars as pl
import pytest

from influx_lake.frames import scan
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import SQLITE, CliLake
from testbed.influxdb_servers import DATABASE, ORG, TOKEN, Server, influxdb1, influxdb2

pytestmark = pytest.mark.servers
DAY = timedelta(days=1)
SOURCES = {
    "influxdb1": {"type": "influxdb1", "database": DATABASE},
    "influxdb2": {"type": "influxdb2", "org": ORG, "bucket": DATABASE},
    "flux": {"type": "influxdb2", "org": ORG, "bucket": DATABASE, "query_language": "flux"},
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    with ExitStack() as opened:
        second = opened.enter_context(influxdb2(tmp_path_factory.mktemp("second")))
        first = opened.enter_context(influxdb1(tmp_path_factory.mktemp("first")))
        yield {"influxdb1": first, "influxdb2": second, "flux": second}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_point_once(
    kind: str, servers: dict[str, Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, midnight = servers[kind], datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight - 3 * DAY
    start = int(first.timestamp()) * 10**9
    # One more point than a chunk of an answer has rows in some of the days, nanoseconds among the times.
    step = 30 * 10**9
    count = int((midnight - first + DAY).total_seconds() * 10**9) // step
    lines = (f'cpu,host=h{n % 3} v={n}i,text="t{n % 5}" {start + n * step + n % 7}' for n in range(count))
    server.write("\n".join(lines))
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        options = ", ".join(f"{name}: {value}" for name, value in SOURCES[kind].items())
        token = f", token: {TOKEN}" if kind != "influxdb1" else ""
        lake.write_config(
            f"sources: {{{{default: {{{{host: '{server.url}', {options}{token}}}}}}}}}\n"
            "catalog: {catalog}\n"
            f"defaults: {{{{partition: {{{{start: {first:%Y-%m-%d}}}}}, lag: 0s}}}}\n"
            "measurements: {{cpu: {{rename: {{host: hostname}}}}}}\n",
            SQLITE,
        )
        result = lake.tell("replicate", "cpu", "--start", first.isoformat(), "--end", (first + DAY).isoformat())
        assert result.code == 0, result.err

        def live(engine: Literal["polars", "duckdb"], **options: Any) -> list[tuple[Any, ...]]:
            if engine == "polars":
                frame = scan("cpu", first, lake=lake.config, live=True, **options)
                assert isinstance(frame, pl.LazyFrame)
                return sorted(frame.collect().rows())
            with duckdb.connect(":memory:") as connection:
                found = scan("cpu", first, lake=lake.config, live=True, engine=engine, connection=connection, **options)
                return sorted(found.fetchall())

        for engine in ("polars", "duckdb"):
            assert live(engine, columns=["v", "hostname", "text"]) == [
                (n, f"h{n % 3}", f"t{n % 5}") for n in range(count)
            ]
        result = lake.tell("sql", "select count(*) n, count(distinct (time, hostname)) d from cpu", "--json", "--live",
                         "--live-since", first.isoformat())  # fmt: skip
        assert result.object["rows"] == [{"n": count, "d": count}]
