"""Starting, stopping, restarting, serving in the foreground, and data larger than one run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from influxdb_client_3 import InfluxDBClient3

from influx_lake.errors import ConfigurationError, DataRefused, StorageError
from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.sandbox.sandbox_clients import HTTP, client, http, query, rows, write

_SERVE = """
import json, sys
from influx_lake.sandbox import Sandbox
def ready(box):
    print(json.dumps({"url": box.url, "token": box.token}), flush=True)
Sandbox(sys.argv[1]).serve(ready)
print("stopped", flush=True)
"""


def test_data_in_a_folder_survives_a_restart(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as box:
        write(box, 'm,h=a v=1,s="x" 1\nm,h=b v=2 2')
        before = rows(query(box, "select * from m order by time"))
    with Sandbox(tmp_path) as box:
        assert rows(query(box, "select * from m order by time")) == before
        write(box, "m,h=a w=5i 1")
        assert rows(query(box, "select h, v, s, w from m where h = 'a'")) == [{"h": "a", "v": 1.0, "s": "x", "w": 5}]


def test_data_in_memory_is_gone_after_a_stop() -> None:
    box = Sandbox()
    for _ in range(2):
        with box:
            assert http(box, "GET", "/api/v3/query_sql", {"db": "db", "q": "select 1"}).status == 404
            write(box, "m v=1 1")
    with pytest.raises(RuntimeError, match="not running"):
        box.write("db", "m v=1")
    box.stop()


def test_files_and_memory_are_one_relation(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as box:
        write(box, "\n".join(f"m,h=h{n % 3} v={n}i {n}" for n in range(3000)))
        box.store.checkpoint()
        write(box, "m,h=new v=1i,extra=t 5000")
        write(box, "\n".join(f"m,h=h{n % 3} v={n + 1}i {n}" for n in range(2990, 3000)))
        table = query(box, "select * from m")
        assert table.num_rows == 3001
        assert sum(table.column("v").to_pylist()) == sum(range(3000)) + 10 + 1
        found = query(box, "select table_name, row_count from system.parquet_files where table_name = 'm'")
        assert sum(found.column("row_count").to_pylist()) in (3000, 3001)


def test_no_token_is_shown() -> None:
    with Sandbox() as box:
        assert box.token is not None
        assert box.token not in repr(box)
    assert box.token not in repr(box)


def test_a_port_of_choice() -> None:
    with Sandbox() as first:
        port = first.port
    with Sandbox(port=port) as box:
        assert box.url == f"http://127.0.0.1:{port}"
        with pytest.raises(ConfigurationError, match=rf"cannot listen on 127.0.0.1:{port}: Address already in use"):
            Sandbox(port=port).start()
        assert http(box, "GET", "/health").status == 200


def test_ipv6() -> None:
    with Sandbox(host="::1") as box:
        assert box.url == f"http://[::1]:{box.port}"
        write(box, "m v=1 1")
        with InfluxDBClient3(host=box.url, token=box.token, database="db") as one:
            assert one.query("select v from m").to_pylist() == [{"v": 1.0}]


def test_a_start_that_fails_leaves_the_folder_free(tmp_path: Path) -> None:
    with Sandbox() as other:
        with pytest.raises(ConfigurationError, match="in use"):
            Sandbox(tmp_path, port=other.port).start()
        with Sandbox(tmp_path) as box:
            write(box, "m v=1 1")
            with pytest.raises(StorageError, match="in use by another sandbox"):
                Sandbox(tmp_path).start()


@pytest.mark.parametrize("direct", [False, True])
def test_a_stop_does_not_wait_for_slow_readers(direct: bool) -> None:
    with ExitStack() as later, Sandbox() as box:
        write(box, "\n".join(f"m v={n}i {n}" for n in range(30_000)))
        box.faults.batch_delay = 3600
        one = later.enter_context(client(box, direct=direct))
        later.callback(one.query("select * from m", mode="reader").close)
        box.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGINT, signal.SIGKILL))],
)
def test_serving_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    server = subprocess.Popen([sys.executable, "-c", _SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    where = json.loads(server.stdout.readline())
    headers = {"Authorization": f"Bearer {where['token']}"}
    answer = HTTP.request("POST", where["url"] + "/api/v3/write_lp?db=db", body=b"m v=1 1\nm v=2 2", headers=headers)
    assert answer.status == 204
    server.send_signal(number)
    rest = server.stdout.read()
    code = server.wait(20)
    assert (rest, code) == (("", -9) if number is signal.SIGKILL else ("stopped\n", 0))
    with Sandbox(tmp_path) as box:
        assert box.row_count("db", "m") == 2


def _pieces(pieces: int, rows_each: int) -> Iterator[pa.RecordBatch]:
    for piece in range(pieces):
        numbers = range(piece * rows_each, (piece + 1) * rows_each)
        yield pa.record_batch(
            {
                "time": pa.array([n // 4 for n in numbers], pa.int64()),
                "host": [f"h{n % 4}" for n in numbers],
                "v": pa.array(numbers, pa.int64()),
            }
        )


@pytest.mark.slow
def test_bulk_data_is_scanned_from_many_files(tmp_path: Path) -> None:
    total = 1_200_000
    with Sandbox(tmp_path) as box:
        assert box.load("db", "m", _pieces(12, total // 12), tags=["host"]) == total
        assert len(list(tmp_path.glob("databases/db/*/*/*.parquet"))) >= 3
        with client(box, direct=True) as one:
            seen = sum(batch.num_rows for batch in one.query("select * from m", mode="reader"))
        assert seen == total
        assert query(box, "select sum(v) as s, count(*) as n from m").to_pylist() == [
            {"s": total * (total - 1) // 2, "n": total}
        ]
    with Sandbox(tmp_path) as box:
        assert box.row_count("db", "m") == total


def test_loading_parquet_files(tmp_path: Path) -> None:
    paths = []
    for index, batch in enumerate(_pieces(3, 100)):
        paths.append(tmp_path / f"{index}.parquet")
        pq.write_table(pa.Table.from_batches([batch]), paths[-1])
    with Sandbox() as box:
        assert box.load("db", "m", paths, tags=["host"]) == 300
        assert box.load("db", "n", str(paths[0]), tags=["host"]) == 100
        assert box.row_count("db", "m") == 300
        assert sorted(box.tables("db")) == ["m", "n"]


def test_data_that_influxdb_could_not_hold_is_refused() -> None:
    with Sandbox() as box:
        for data, message in [
            (pa.table({"v": [1]}), "no column time"),
            (pa.table({"time": pa.array([None], pa.int64()), "v": [1]}), "without a time"),
            (pa.table({"time": [1], "v": [[1, 2]]}), "column v .* is list"),
        ]:
            with pytest.raises(DataRefused, match=message):
                box.load("db", "m", data)
