"""What becomes of a read when the server, or the way to it, fails."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from influx_lake.config import InfluxDB3Config
from influx_lake.config.connections import Protocol
from influx_lake.config.values.read_options import ReadingOptions, RetryOptions
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.errors import (
    AuthenticationFailed,
    FileLimitExceeded,
    LakeError,
    MeasurementNotFound,
    QueryRejected,
    SourceTimeout,
    SourceUnavailable,
    StreamBroken,
)
from influx_lake.sandbox import Sandbox
from influx_lake.sandbox.faults import Status
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.reliable import ReliableSource, limits_of

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
START_NS = (START - EPOCH) // timedelta(seconds=1) * 10**9
ROWS = 50_000


def points(rows: int = ROWS) -> pa.Table:
    """A point each 100 ms: 50,000 of them take 84 chunks of ten minutes."""
    times = pa.array(range(START_NS, START_NS + rows * 10**9 // 10, 10**9 // 10), pa.timestamp("ns"))
    return pa.table({"time": times, "v": pa.array(range(rows), pa.int64())})


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(keep_alive=0.05) as box:
        box.load("telemetry", "cpu", points())
        yield box


@pytest.fixture
def source(box: Sandbox) -> Iterator[InfluxDB3Source]:
    box.faults.clear()
    source = InfluxDB3Source(
        InfluxDB3Config(host=box.url, database="telemetry", token=box.token, timeout=timedelta(seconds=20))
    )
    yield source
    box.faults.clear()
    source.close()


@pytest.fixture
def cpu(source: InfluxDB3Source) -> MeasurementSchema:
    return source.schema("cpu")


def read(source: InfluxDB3Source, schema: MeasurementSchema) -> int:
    with source.read(schema, DAY) as rows:
        return sum(batch.num_rows for batch in rows)


def read_once_reconnected(source: InfluxDB3Source, schema: MeasurementSchema) -> int:
    """The next request may be the one that notices that the connection is gone, which can be tried again."""
    for _ in range(5):
        with contextlib.suppress(SourceUnavailable):
            return read(source, schema)
    return read(source, schema)


def failure_of(call: Callable[[], object]) -> LakeError:
    with pytest.raises(LakeError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.INTERNAL, StreamBroken),
        (Status.UNAVAILABLE, StreamBroken),
        (Status.CANCELLED, StreamBroken),
        (Status.UNKNOWN, StreamBroken),
        (Status.DEADLINE_EXCEEDED, SourceTimeout),
        (Status.UNAUTHENTICATED, AuthenticationFailed),
        (Status.PERMISSION_DENIED, AuthenticationFailed),
    ],
)
def test_a_stream_that_fails_after_its_first_rows(
    status: Status, kind: type[LakeError], box: Sandbox, source: InfluxDB3Source, cpu: MeasurementSchema
) -> None:
    box.faults.update(fail_after_rows=20_000, fail_status=status)
    error = failure_of(lambda: read(source, cpu))
    assert type(error) is kind
    assert (error.measurement, error.window) == ("cpu", str(DAY))
    box.faults.clear()
    assert read(source, cpu) == ROWS


def test_a_stream_that_fails_before_its_first_row(
    box: Sandbox, source: InfluxDB3Source, cpu: MeasurementSchema
) -> None:
    box.faults.fail_after_rows = 0
    assert type(failure_of(lambda: read(source, cpu))) is StreamBroken


def test_a_connection_that_is_cut_after_the_first_rows(
    box: Sandbox, source: InfluxDB3Source, cpu: MeasurementSchema
) -> None:
    box.faults.drop_after_rows = 20_000
    # On a busy machine nothing may have come when it is cut.
    assert type(failure_of(lambda: read(source, cpu))) in (StreamBroken, SourceUnavailable)
    box.faults.clear()
    assert read_once_reconnected(source, cpu) == ROWS


def test_a_server_that_is_not_ready(box: Sandbox, source: InfluxDB3Source, cpu: MeasurementSchema) -> None:
    box.faults.unavailable = True
    assert type(failure_of(lambda: read(source, cpu))) is SourceUnavailable


def test_a_window_of_too_many_files(box: Sandbox, source: InfluxDB3Source, cpu: MeasurementSchema) -> None:
    box.faults.file_limit = 5
    error = failure_of(lambda: read(source, cpu))
    assert type(error) is FileLimitExceeded
    assert "--query-file-limit" in (error.remedy or "")
    assert type(failure_of(lambda: source.count("cpu", DAY))) is FileLimitExceeded
    half_an_hour = Window(START, START + timedelta(minutes=30))
    assert source.count("cpu", half_an_hour) == 18_000


def test_batches_that_keep_the_connection_are_no_rows(
    box: Sandbox, source: InfluxDB3Source, cpu: MeasurementSchema
) -> None:
    box.faults.batch_delay = 0.2
    with source.read(cpu, DAY) as rows:
        counts = [batch.num_rows for batch in rows]
    assert sum(counts) == ROWS
    assert all(counts)


def test_a_server_that_only_keeps_the_connection_is_given_up_on(box: Sandbox, cpu: MeasurementSchema) -> None:
    box.faults.batch_delay = 5.0
    hasty = InfluxDB3Source(
        InfluxDB3Config(host=box.url, database="telemetry", token=box.token, timeout=timedelta(seconds=1))
    )
    error = failure_of(lambda: read(hasty, cpu))
    assert type(error) is SourceTimeout
    assert (error.measurement, error.window) == ("cpu", str(DAY))
    hasty.close()


def test_the_direct_port_of_flight(box: Sandbox, cpu: MeasurementSchema) -> None:
    direct = InfluxDB3Source(
        InfluxDB3Config(host=box.url, database="telemetry", token=box.token, query_port=box.flight_port)
    )
    assert read(direct, cpu) == ROWS
    assert direct.server().version != "unknown"
    direct.close()


def test_no_proxy_is_asked_for_this_machine(
    box: Sandbox, cpu: MeasurementSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=box.token))
    assert read(source, cpu) == ROWS
    source.close()


def test_windows_that_are_read_at_the_same_time(source: InfluxDB3Source, cpu: MeasurementSchema) -> None:
    hours = [Window(START + timedelta(minutes=10 * n), START + timedelta(minutes=10 * (n + 1))) for n in range(8)]
    counts: dict[int, int] = {}

    def count(number: int) -> None:
        with source.read(cpu, hours[number]) as rows:
            counts[number] = sum(batch.num_rows for batch in rows)

    threads = [threading.Thread(target=count, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts == dict.fromkeys(range(8), 6_000)


SERVER = """
from influx_lake.sandbox import Faults, Sandbox
from influx_lake_tests.integration.sources.test_influxdb3_faults import points

with Sandbox(faults=Faults(batch_delay=0.05)) as box:
    box.load("telemetry", "cpu", points(400_000))
    print(box.url, box.token, flush=True)
    input()
"""


@pytest.mark.slow
def test_a_server_that_is_killed_amid_rows() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout
        url, token = server.stdout.readline().decode().split()
        source = InfluxDB3Source(
            InfluxDB3Config(host=url, database="telemetry", token=token, timeout=timedelta(seconds=20))
        )
        with source.read(source.schema("cpu"), DAY) as rows:
            stream = iter(rows)
            assert next(stream).num_rows
            server.send_signal(signal.SIGKILL)
            error = failure_of(lambda: list(stream))
    assert type(error) is StreamBroken
    assert token not in str(error)
    assert type(failure_of(source.measurements)) is SourceUnavailable


def test_over_http_a_file_limit_is_halved_and_a_refusal_is_not_tried_again(box: Sandbox) -> None:
    source = InfluxDB3Source(
        InfluxDB3Config(host=box.url, database="telemetry", token=box.token, protocol=Protocol.HTTP)
    )
    schema, options = source.schema("cpu"), ReadingOptions(retry=RetryOptions(budget=timedelta(0)))
    reliable = ReliableSource(source, options, limits_of(source.identity, options))
    box.faults.file_limit = 3
    try:
        assert type(failure_of(lambda: read(source, schema))) is FileLimitExceeded
        assert reliable.count("cpu", DAY) == ROWS
        with reliable.read(schema, DAY) as rows:
            assert sum(batch.num_rows for batch in rows) == ROWS
    finally:
        box.faults.clear()
    imagined = MeasurementSchema("cpu", (*schema.columns, Column("w", Role.FIELD, ColumnType.FLOAT)))
    for error, kind in (
        (failure_of(lambda: read(source, imagined)), QueryRejected),
        (failure_of(lambda: source.count("nothing", DAY)), MeasurementNotFound),
    ):
        assert type(error) is kind
        assert not error.transient
    source.close()
