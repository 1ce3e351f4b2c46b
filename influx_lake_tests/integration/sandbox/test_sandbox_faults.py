"""Every switch of the sandbox does what it says, and nothing once it is off."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from influxdb_client_3.exceptions import InfluxDB3ClientQueryError
from pyarrow import flight

from influx_lake.sandbox import Sandbox
from influx_lake.sandbox.faults import Faults, Status
from influx_lake_tests.integration.sandbox.sandbox_clients import client, http, json_of, query, rows, write

MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(keep_alive=0.05) as one:
        yield one


@pytest.fixture
def box(running: Sandbox) -> Iterator[Sandbox]:
    write(running, "\n".join(f"m,h=h{n % 3} v={n}i {n * MINUTE}" for n in range(30_000)))
    yield running
    running.faults.clear()
    running.store.drop_database("db")


def count(box: Sandbox) -> int:
    return int(query(box, "select count(*) as n from m").column("n")[0].as_py())


def stream(box: Sandbox, direct: bool = True) -> Iterator[pa.RecordBatch]:
    port = box.flight_port if direct else box.port
    ticket = flight.Ticket(json.dumps({"database": "db", "sql_query": "select * from m"}).encode())
    headers = [(b"authorization", f"Bearer {box.token}".encode())]
    with flight.connect(f"grpc://127.0.0.1:{port}") as connection:
        for chunk in connection.do_get(ticket, flight.FlightCallOptions(headers=headers)):
            yield chunk.data


def test_all_faults_are_off_at_first(box: Sandbox) -> None:
    assert box.faults == Faults()
    assert count(box) == 30_000


def test_unavailable(box: Sandbox) -> None:
    box.faults.unavailable = True
    with pytest.raises(flight.FlightUnavailableError):
        list(stream(box))
    assert http(box, "GET", "/health").status == 503
    box.faults.unavailable = False
    assert count(box) == 30_000


def test_unauthenticated(box: Sandbox) -> None:
    box.faults.unauthenticated = True
    with pytest.raises(flight.FlightUnauthenticatedError):
        list(stream(box))
    assert http(box, "GET", "/health").status == 401
    box.faults.unauthenticated = False
    assert count(box) == 30_000


def window(start: int, end: int) -> str:
    return f"select count(*) as n from m where time >= to_timestamp_nanos({start}) and time < to_timestamp_nanos({end})"


def test_the_file_limit(box: Sandbox) -> None:
    box.faults.file_limit = 10
    with pytest.raises(InfluxDB3ClientQueryError) as caught:
        count(box)
    assert "INTERNAL" in str(caught.value)
    assert (
        "Error while planning query: External error: Query would scan 10 Parquet files, exceeding the file limit. "
        "InfluxDB 3 Core caps file access"
    ) in str(caught.value)
    response = http(box, "GET", "/api/v3/query_sql", {"db": "db", "q": "select * from m"})
    assert (response.status, b"exceeding the file limit" in response.data) == (500, True)
    # Ten chunks of ten minutes are within the limit, one nanosecond more is not.
    start = 1000 * MINUTE
    assert query(box, window(start, start + 100 * MINUTE)).to_pylist() == [{"n": 100}]
    with pytest.raises(InfluxDB3ClientQueryError, match="file limit"):
        query(box, window(start, start + 100 * MINUTE + 1))
    write(box, "n v=1 1")
    assert query(box, "select v from n").num_rows == 1
    assert query(box, "select count(*) from system.influxdb_schema where measurement = 'm'").num_rows == 1


def test_the_file_limit_counts_only_chunks_that_hold_data(box: Sandbox) -> None:
    box.faults.file_limit = 10
    assert query(box, window(29_990 * MINUTE, 90_000 * MINUTE)).to_pylist() == [{"n": 10}]


def test_hidden_history(box: Sandbox) -> None:
    box.faults.hidden_before = 20_000 * MINUTE
    assert count(box) == 10_000
    assert rows(query(box, "select min(time) as t from m")) == [{"t": 20_000 * MINUTE}]
    assert query(box, "select * from m limit 1").schema.field("time").metadata is not None
    box.faults.hidden_before = None
    assert count(box) == 30_000


def test_rows_that_are_missing_for_a_while(box: Sandbox) -> None:
    box.faults.update(missing=[(0, 10 * MINUTE), (50 * MINUTE, 60 * MINUTE)], missing_queries=2)
    assert [count(box) for _ in range(3)] == [29_980, 29_980, 30_000]


def test_stale_updates(box: Sandbox) -> None:
    assert query(box, "select v from m where time = to_timestamp_nanos(0)").to_pylist() == [{"v": 0}]
    box.faults.stale_updates = True
    for corrected in (999, 1000):
        write(box, f"m,h=h0 v={corrected}i,more=7i 0\nm,h=new v=5i 1")
        rows_now = "select h, v, more from m where time < '1970-01-01T00:00:01Z' order by h"
        for first in (corrected, 0):
            assert query(box, rows_now).to_pylist() == [
                {"h": "h0", "v": first, "more": 7},
                {"h": "new", "v": 5, "more": None},
            ]
            assert http(box, "POST", "/sandbox/persist").status == 200
    box.faults.stale_updates = False
    write(box, "m,h=h0 v=1i 0")
    assert http(box, "POST", "/sandbox/persist").status == 200
    assert query(box, "select v from m where time = to_timestamp_nanos(0)").to_pylist() == [{"v": 1}]


def test_stale_updates_in_a_folder_stay_so_after_a_restart(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as box:
        box.faults.stale_updates = True
        write(box, "m v=1 1")
        box.store.checkpoint()
        write(box, "m v=2,w=3 1")
        assert query(box, "select v, w from m").to_pylist() == [{"v": 2.0, "w": 3.0}]
    with Sandbox(tmp_path) as box:
        assert query(box, "select v, w from m").to_pylist() == [{"v": 1.0, "w": 3.0}]


def test_flush_delay(box: Sandbox) -> None:
    box.faults.flush_delay = 0.3
    started = time.monotonic()
    write(box, "late v=1 1")
    assert time.monotonic() - started >= 0.3
    assert query(box, "select v from late").num_rows == 1
    started = time.monotonic()
    write(box, "late v=2 2", no_sync="true")
    acknowledged = time.monotonic() - started
    if acknowledged < 0.2:
        assert query(box, "select v from late").num_rows == 1
    while query(box, "select v from late").num_rows < 2:
        assert time.monotonic() - started < 60
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.INTERNAL, flight.FlightInternalError),
        (Status.UNAVAILABLE, flight.FlightUnavailableError),
        (Status.UNAUTHENTICATED, flight.FlightUnauthenticatedError),
        (Status.PERMISSION_DENIED, flight.FlightUnauthorizedError),
        (Status.CANCELLED, flight.FlightCancelledError),
        (Status.DEADLINE_EXCEEDED, flight.FlightTimedOutError),
        (Status.UNKNOWN, pa.ArrowException),
    ],
)
def test_a_stream_that_fails_in_the_middle(box: Sandbox, status: Status, kind: type[Exception]) -> None:
    box.faults.update(fail_after_rows=12_345, fail_status=status, fail_times=1)
    sizes: list[int] = []
    with pytest.raises(kind):
        sizes.extend(batch.num_rows for batch in stream(box))
    assert sum(sizes) == 12_345
    assert sum(batch.num_rows for batch in stream(box)) == 30_000


def test_a_connection_that_is_cut(box: Sandbox) -> None:
    box.faults.update(drop_after_rows=20_000, fail_times=1)
    sizes: list[int] = []
    with pytest.raises((flight.FlightError, OSError)):
        sizes.extend(batch.num_rows for batch in stream(box, direct=False))
    assert sum(sizes) <= 20_000
    assert sum(batch.num_rows for batch in stream(box, direct=False)) == 30_000


def test_a_slow_stream_is_kept_alive_by_empty_batches(box: Sandbox) -> None:
    box.faults.batch_delay = 0.3
    sizes = [batch.num_rows for batch in stream(box)]
    assert sum(sizes) == 30_000
    assert sizes.count(0) >= 4
    assert sizes[0] == 0


def test_a_client_that_leaves_ends_its_query(box: Sandbox) -> None:
    box.faults.batch_delay = 0.02
    with client(box) as one:
        reader = one.query("select * from m", mode="reader")
        next(iter(reader))
        del reader
    box.faults.batch_delay = 0
    for thread in threading.enumerate():
        if thread.name == "sandbox-query":
            thread.join(20)
            assert not thread.is_alive()


def test_switches_over_http(box: Sandbox) -> None:
    response = http(box, "PUT", "/sandbox/faults", body='{"file_limit": 3, "fail_status": "unavailable"}')
    assert response.status == 200
    assert (box.faults.file_limit, box.faults.fail_status) == (3, Status.UNAVAILABLE)
    assert json_of(http(box, "GET", "/sandbox/faults"))["file_limit"] == 3
    for body in ('{"nonsense": 1}', '{"fail_status": "tired"}', "[]", "{"):
        assert http(box, "PUT", "/sandbox/faults", body=body).status == 400
    assert http(box, "PUT", "/sandbox/faults", body="{}", token=False).status == 401
    assert http(box, "DELETE", "/sandbox/faults").status == 200
    assert box.faults == Faults()


def test_switches_can_be_turned_back_while_they_are_on(box: Sandbox) -> None:
    for fault in ("unavailable", "unauthenticated"):
        box.faults.update(**{fault: True})
        assert http(box, "PUT", "/sandbox/faults", body=json.dumps({fault: False})).status == 200
    assert count(box) == 30_000


def test_faults_hold_in_a_folder_too(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as box:
        write(box, "\n".join(f"m v={n}i {n * MINUTE}" for n in range(1000)))
        box.store.checkpoint()
        write(box, "m v=5i 99999999999999999")
        box.faults.update(hidden_before=900 * MINUTE, missing=[(950 * MINUTE, 960 * MINUTE)], missing_queries=1)
        assert count(box) == 91
        box.faults.update(hidden_before=None, file_limit=50)
        with pytest.raises(InfluxDB3ClientQueryError, match="file limit"):
            count(box)


def test_an_idle_connection_does_not_hold_the_port(box: Sandbox) -> None:
    with socket.create_connection((box.host, box.port)):
        assert count(box) == 30_000
