"""Loads over a network that fails: the table is exact, or the load failed with an error that says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import Measurement
from influx_lake.config.reading import ReadingOptions, RetryOptions
from influx_lake.config.windows import EPOCH, Every, Scheme, Window
from influx_lake.errors import TransientSourceError
from influx_lake.iceberg.catalog import open_catalog
from influx_lake.iceberg.reader import find_table, read_windows
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.integration.chaos_proxy import chaos

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
SCHEME = Scheme(Every.DAY, START)
CPU = Measurement("cpu", "cpu", "default", "telemetry", ("telemetry",), "cpu", SCHEME)
ROWS = 20_000
PATIENT = RetryOptions(
    budget=timedelta(seconds=15), first_wait=timedelta(milliseconds=5), longest_wait=timedelta(milliseconds=50)
)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    start = (START - EPOCH) // timedelta(seconds=1) * 10**9
    times = pa.array(range(start, start + ROWS * 10**9, 10**9), pa.timestamp("ns"))
    with Sandbox(keep_alive=0.05) as box:
        box.load("telemetry", "cpu", pa.table({"time": times, "v": pa.array(range(ROWS), pa.int64())}))
        yield box


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"})


def values(catalog: Catalog) -> list[int]:
    table = find_table(catalog, CPU.identifier)
    return sorted(read_windows(table, [DAY]).read_all()["v"].to_pylist()) if table else []


def check_case(box: Sandbox, catalog: Catalog, seed: int) -> str:
    """One load over a bad network; what became of it."""
    with chaos(box.url, seed, rate=(0.2, 0.5, 0.9)[seed % 3], most_bytes=400_000) as proxy:
        inner = InfluxDB3Source(proxy.url, "telemetry", box.token, timeout=timedelta(seconds=5))
        source = ReliableSource(inner, ReadingOptions(retry=patience_of(seed)), ServerLimits())
        measurement = changed(CPU, adopt=True)
        try:
            replicate_window(source, catalog, measurement, DAY, run_id=f"chaos-{seed}")
        except TransientSourceError:
            assert values(catalog) == [], "what failed has left nothing"
            return "failed"
        finally:
            source.close()
        assert values(catalog) == list(range(ROWS))
        return "loaded"


def patience_of(seed: int) -> RetryOptions:
    """Every fifth load has no time to try again."""
    return PATIENT.model_copy(update={"budget": timedelta(0)}) if seed % 5 == 0 else PATIENT


@pytest.mark.parametrize("seed", range(12))
def test_over_a_bad_network_a_load_is_exact_or_fails(box: Sandbox, catalog: Catalog, seed: int) -> None:
    check_case(box, catalog, seed)


@pytest.mark.slow
def test_over_a_bad_network_three_hundred_times(box: Sandbox, tmp_path: Path) -> None:
    outcomes = []
    for seed in range(100, 400):
        folder = tmp_path / str(seed)
        folder.mkdir()
        catalog = open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{folder}/c.db", "warehouse": f"{folder}/w"})
        outcomes.append(check_case(box, catalog, seed))
    assert outcomes.count("loaded") > 150, "most loads get through"
    assert "failed" in outcomes, "those without time to try again do not"
