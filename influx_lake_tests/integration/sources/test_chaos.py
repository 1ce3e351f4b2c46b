"""Loads over a network that fails: the table is exact, or the load failed with an error that says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import InfluxDB3Config, Measurement, Secret, SourceConfig
from influx_lake.config.values.read_options import ReadingOptions, RetryOptions
from influx_lake.config.values.windows import EPOCH, Every, Scheme, Window
from influx_lake.errors import (
    QueryRejected,
    RowsMissing,
    SourceTimeout,
    SourceUnavailable,
    StreamBroken,
    UnexpectedAnswer,
)
from influx_lake.iceberg.scan.reader import find_table, read_windows
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import open_source
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.integration.sources.chaos_proxy import chaos
from testbed.influxdb_servers import Server, influxdb1, influxdb2
from testbed.local_catalog import local_catalog

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
SCHEME = Scheme(Every.DAY, START)
CPU = Measurement("cpu", "cpu", "default", "telemetry", ("telemetry",), "cpu", SCHEME)
ROWS = 20_000
PATIENT = RetryOptions(
    budget=timedelta(seconds=15), first_wait=timedelta(milliseconds=5), longest_wait=timedelta(milliseconds=50)
)
EXPECTED = (SourceUnavailable, SourceTimeout, StreamBroken, RowsMissing, QueryRejected, UnexpectedAnswer)
"""What a network, a proxy or a query that the server gave up can be; never that there is nothing."""


@dataclass(frozen=True)
class Rows:
    """A server with the rows.

    Attributes:
        url: Its address.
        config: The source that reads it at another address.
        http: Whether it speaks HTTP, so that its answers can be forged.
        error: What it answers with status 200 when a query fails, where that is not as InfluxQL does it.
    """

    url: str
    config: Callable[[str], SourceConfig]
    http: bool
    error: bytes | None = None


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Rows]:
    start = (START - EPOCH) // timedelta(seconds=1) * 10**9
    times = pa.array(range(start, start + ROWS * 10**9, 10**9), pa.timestamp("ns"))
    with Sandbox(keep_alive=0.05) as box:
        box.load("telemetry", "cpu", pa.table({"time": times, "v": pa.array(range(ROWS), pa.int64())}))
        token = Secret(str(box.token))
        config = InfluxDB3Config(host=box.url, database="telemetry", token=token, timeout=timedelta(seconds=5))
        yield Rows(box.url, lambda url: at(config, host=url), http=False)


@pytest.fixture(scope="module")
def sandbox_over_http(sandbox: Rows) -> Rows:
    error = b'{"error":"the query was killed"}\n'
    return Rows(sandbox.url, lambda url: at(sandbox.config(url), protocol="http"), http=True, error=error)


def at(config: SourceConfig, **other: Any) -> SourceConfig:
    """The same source with other options."""
    return type(config).model_validate({**dict(config), **other})


def filled(server: Server) -> Rows:
    """The rows in a server that is queried over HTTP."""
    first = (START - EPOCH) // timedelta(seconds=1)
    for begin in range(0, ROWS, 5_000):
        server.write("\n".join(f"cpu v={n}i {(first + n) * 10**9}" for n in range(begin, begin + 5_000)))
    return Rows(server.url, lambda url: server.config(host=url, timeout=timedelta(seconds=5)), http=True)


@pytest.fixture(scope="module")
def version1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    with influxdb1(tmp_path_factory.mktemp("influxdb1"), "1.6") as server:
        yield filled(server)


@pytest.fixture(scope="module")
def version2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    with influxdb2(tmp_path_factory.mktemp("influxdb2")) as server:
        yield filled(server)


@pytest.fixture(scope="module")
def version2_in_flux(version2: Rows) -> Rows:
    error = b"error,reference\r\nthe query was killed,897\r\n"
    return Rows(
        version2.url,
        lambda url: at(version2.config(url), query_language="flux", confirm_rows=True),
        http=True,
        error=error,
    )


def values(catalog: Catalog) -> list[int]:
    table = find_table(catalog, CPU.identifier)
    return sorted(read_windows(table, [DAY]).read_all()["v"].to_pylist()) if table else []


def load_through_chaos(rows: Rows, catalog: Catalog, seed: int) -> str:
    """One load over a bad network; what became of it."""
    forged = {"error_body": rows.error} if rows.error else {}
    with chaos(rows.url, seed, rate=(0.2, 0.5, 0.9)[seed % 3], most_bytes=400_000, http=rows.http, **forged) as proxy:
        config = rows.config(proxy.url)
        source = ReliableSource(open_source(config), ReadingOptions(retry=patience_of(seed)), ServerLimits())
        try:
            replicate_window(source, catalog, CPU, DAY, run_id=f"chaos-{seed}")
        except EXPECTED:
            assert values(catalog) == [], "what failed has left nothing"
            return "failed"
        finally:
            source.close()
        assert values(catalog) == list(range(ROWS))
        return "loaded"


def patience_of(seed: int) -> RetryOptions:
    """Every fifth load has no time to try again."""
    return PATIENT.model_copy(update={"budget": timedelta(0)}) if seed % 5 == 0 else PATIENT


SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 6))]
"""Each rate of failures once, and one load without a second try; the others wait for their tries for seconds."""


@pytest.mark.parametrize("seed", SEEDS)
def test_over_a_bad_network_a_load_is_exact_or_fails(sandbox: Rows, catalog: Catalog, seed: int) -> None:
    load_through_chaos(sandbox, catalog, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_over_a_bad_network_with_http(sandbox_over_http: Rows, catalog: Catalog, seed: int) -> None:
    load_through_chaos(sandbox_over_http, catalog, seed)


@pytest.mark.servers
@pytest.mark.parametrize("source", ["version1", "version2", "version2_in_flux"])
@pytest.mark.parametrize("seed", range(12))
def test_over_a_bad_network_to_real_servers(
    source: str, seed: int, catalog: Catalog, request: pytest.FixtureRequest
) -> None:
    load_through_chaos(request.getfixturevalue(source), catalog, seed)


@pytest.mark.servers
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("source", ["sandbox", "sandbox_over_http", "version1", "version2", "version2_in_flux"])
def test_three_hundred_loads_over_a_bad_network(source: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rows = request.getfixturevalue(source)
    outcomes = [load_through_chaos(rows, local_catalog(tmp_path / str(seed)), seed) for seed in range(100, 400)]
    assert outcomes.count("loaded") > 150, "most loads get through"
    assert "failed" in outcomes, "those without time to try again do not"
