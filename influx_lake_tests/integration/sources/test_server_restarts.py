"""A server is killed in the middle of a stream and comes back: the load completes by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from influx_lake.config import InfluxDB3Config, Secret
from influx_lake.config.values.read_options import ReadingOptions, RetryOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.replication.window import replicate_window
from influx_lake.sandbox import Sandbox
from influx_lake.sources import RowStream, Source, open_source
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.integration.sources.test_chaos import CPU, DAY, EPOCH, START, values
from testbed.influxdb_servers import free_port, influxdb1
from testbed.local_catalog import local_catalog
from testbed.waiting import wait_until

ROWS = 200_000
PATIENT = RetryOptions(budget=timedelta(seconds=60), first_wait=timedelta(milliseconds=100))


@dataclass
class Interrupted:
    """A source of which something happens to the server after its first batch.

    Attributes:
        source: The source.
        happens: What happens, once.
    """

    source: Source
    happens: Callable[[], None] | None

    def __getattr__(self, name: str) -> object:
        return getattr(self.source, name)

    @contextmanager
    def read(self, schema: MeasurementSchema, window: Window) -> Iterator[RowStream]:
        with self.source.read(schema, window) as rows:
            yield Batches(rows.schema, self._batches(rows))

    def _batches(self, rows: RowStream) -> Iterator[pa.RecordBatch]:
        for batch in rows:
            yield batch
            if (happens := self.happens) is not None:
                self.happens = None
                happens()


@dataclass
class Batches:
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches


def load(source: Source, folder: Path, kill_and_start_again: Callable[[], None]) -> list[int]:
    interrupted = Interrupted(source, kill_and_start_again)
    catalog = local_catalog(folder)
    reliable = ReliableSource(interrupted, ReadingOptions(retry=PATIENT), ServerLimits())  # type: ignore[arg-type]
    replicate_window(reliable, catalog, CPU, DAY, run_id="restart")
    assert interrupted.happens is None, "the server was killed"
    return values(catalog)


@pytest.mark.servers
def test_influxdb1_is_killed_and_comes_back(tmp_path: Path) -> None:
    port, first = free_port(), (START - EPOCH) // timedelta(seconds=1)
    with ExitStack() as servers:
        server = servers.enter_context(influxdb1(tmp_path / "influxdb", "1.6", port=port))
        for begin in range(0, ROWS, 20_000):
            lines = (f"cpu v={n}i {first * 10**9 + n * 400_000_000}" for n in range(begin, begin + 20_000))
            server.write("\n".join(lines))

        def kill_and_start_again() -> None:
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            servers.enter_context(influxdb1(tmp_path / "influxdb", "1.6", port=port))

        assert load(open_source(server.config()), tmp_path / "lake", kill_and_start_again) == list(range(ROWS))


@contextmanager
def sandbox_process(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "influx_lake.cli", "sandbox", "--port", str(port), "--data-dir", str(folder)]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, env={**os.environ}) as process:
        try:
            assert process.stdout is not None
            wait_until(lambda: process.poll() is not None or process.stdout.readline().startswith(b"{"), "it listens")
            yield process
        finally:
            process.terminate()


@pytest.mark.slow
def test_an_influxdb3_is_killed_and_comes_back(tmp_path: Path) -> None:
    start = (START - EPOCH) // timedelta(seconds=1) * 10**9
    times = pa.array(range(start, start + ROWS * 400_000_000, 400_000_000), pa.timestamp("ns"))
    with Sandbox(tmp_path / "data") as box:
        box.load("telemetry", "cpu", pa.table({"time": times, "v": pa.array(range(ROWS), pa.int64())}))
    port = free_port()
    with ExitStack() as servers:
        process = servers.enter_context(sandbox_process(tmp_path / "data", port))

        def kill_and_start_again() -> None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            servers.enter_context(sandbox_process(tmp_path / "data", port))

        token = Secret((tmp_path / "data" / "token").read_text().strip())
        config = InfluxDB3Config(host=f"http://127.0.0.1:{port}", database="telemetry", token=token)
        assert load(open_source(config), tmp_path / "lake", kill_and_start_again) == list(range(ROWS))
