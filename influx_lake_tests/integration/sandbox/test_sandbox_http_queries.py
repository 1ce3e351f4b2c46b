"""Queries of the sandbox over HTTP: formats, statuses and messages as the server has them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from unittest import mock

import pyarrow.parquet as pq
import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.sandbox.sandbox_clients import http, json_of, write


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as one:
        yield one


def test_formats(box: Sandbox) -> None:
    write(box, 'cpu,host=a val=1i,f=2,s="x,\\"y" 123\ncpu,host=b b=true 1700000000000000000')
    sql = "select host, time, val, f, s, b from cpu order by time"

    def answer(name: str) -> bytes:
        response = http(box, "GET", "/api/v3/query_sql", {"db": "db", "q": sql, "format": name})
        assert response.status == 200
        return response.data

    assert answer("json").decode() == (
        '[{"host":"a","time":"1970-01-01T00:00:00.000000123","val":1,"f":2.0,"s":"x,\\"y"},'
        '{"host":"b","time":"2023-11-14T22:13:20","b":true}]'
    )
    assert answer("jsonl") == answer("json_lines")
    assert [json.loads(line) for line in answer("jsonl").splitlines()] == json.loads(answer("json"))
    assert answer("csv").decode() == (
        'host,time,val,f,s,b\na,1970-01-01T00:00:00.000000123,1,2.0,"x,""y",\nb,2023-11-14T22:13:20,,,,true\n'
    )
    table = pq.read_table(io.BytesIO(answer("parquet")))
    assert table.column_names == ["host", "time", "val", "f", "s", "b"]
    assert table.num_rows == 2
    assert answer("pretty").decode().split("\n")[:4] == [
        "+------+-------------------------------+-----+-----+------+------+",
        "| host | time                          | val | f   | s    | b    |",
        "+------+-------------------------------+-----+-----+------+------+",
        '| a    | 1970-01-01T00:00:00.000000123 | 1   | 2.0 | x,"y |      |',
    ]


def test_times_have_as_many_decimals_as_they_need(box: Sandbox) -> None:
    write(box, "m v=1 1000000\nm v=1 1000\nm v=1 120000000\nm v=1 -1")
    response = http(box, "GET", "/api/v3/query_sql", {"db": "db", "q": "select time from m order by time"})
    assert [row["time"] for row in json_of(response)] == [
        "1969-12-31T23:59:59.999999999",
        "1970-01-01T00:00:00.000001",
        "1970-01-01T00:00:00.001",
        "1970-01-01T00:00:00.120",
    ]


def test_accept_headers(box: Sandbox) -> None:
    write(box, "m v=1 1")
    for accept, content_type in [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("application/jsonl", "application/jsonl"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
    ]:
        response = http(
            box, "GET", "/api/v3/query_sql", {"db": "db", "q": "select v from m"}, headers={"Accept": accept}
        )
        assert response.headers["content-type"] == content_type
    response = http(
        box, "GET", "/api/v3/query_sql", {"db": "db", "q": "select v from m"}, headers={"Accept": "text/html"}
    )
    assert response.status == 400
    assert response.data.startswith(b"invalid mime type (text/html)")


def test_answers_without_rows(box: Sandbox) -> None:
    write(box, "m v=1 1")
    params = {"db": "db", "q": "select * from m where v > 5"}
    assert http(box, "GET", "/api/v3/query_sql", params).data == b"[]"
    for name in ("csv", "jsonl", "parquet"):
        assert http(box, "GET", "/api/v3/query_sql", params | {"format": name}).data == b""


def test_queries_by_post_and_with_parameters(box: Sandbox) -> None:
    write(box, "m,host=a v=1 1\nm,host=b v=2 2")
    content = {"db": "db", "q": "select v from m where host = $h", "format": "csv", "params": {"h": "b"}}
    assert http(box, "POST", "/api/v3/query_sql", body=json.dumps(content)).data == b"v\n2.0\n"
    params = {"db": "db", "q": "select v from m where v > $v", "params": '{"v": 1.5}'}
    assert http(box, "GET", "/api/v3/query_sql", params).data == b'[{"v":2.0}]'


def test_failed_queries(box: Sandbox) -> None:
    write(box, "m v=1 1")
    path = "/api/v3/query_sql"
    response = http(box, "GET", path, {"db": "nope", "q": "select 1"})
    assert (response.status, response.data) == (404, b'{"error":"query error: database not found: nope"}')
    response = http(box, "GET", path)
    assert (response.status, response.data) == (400, b"missing query parameters 'db' and 'q'")
    response = http(box, "POST", path, body="{")
    assert (response.status, response.data[:17]) == (400, b"serde json error:")
    # As 3.10 answers: what is the statement's fault is 400, unless it is a schema error.
    for sql, status, text in [
        ("select * from nope", 400, b"Error during planning: table 'public.iox.nope' not found"),
        ("selec", 400, b'SQL error: ParserError("Expected: an SQL statement'),
        ("select nope from m", 500, b"Schema error: No field named nope"),
        ("select cast('x' as bigint) from m", 500, b"Optimizer rule 'simplify_expressions' failed"),
        ("insert into m values (1, 2)", 400, b"Error during planning: "),
        ("drop table m", 400, b"Error during planning: DDL not supported"),
    ]:
        response = http(box, "GET", path, {"db": "db", "q": sql})
        assert (response.status, response.data[: len(text)]) == (status, text)
    response = http(box, "GET", path, {"db": "db", "q": "select 1/0 from m"})
    assert (response.status, response.data) == (
        500,
        b"Arrow error: Divide by zero error",
    )
    response = http(box, "GET", path, {"db": "db", "q": "select 1", "format": "xml"})
    assert (response.status, response.data[:21]) == (400, b"unknown variant `xml`")


def test_influxql_lists_and_says_what_it_cannot(box: Sandbox) -> None:
    write(box, "m v=1 1")
    path = "/api/v3/query_influxql"
    assert json_of(http(box, "GET", path, {"db": "db", "q": "SHOW MEASUREMENTS"})) == [
        {"iox::measurement": "measurements", "name": "m"}
    ]
    assert json_of(http(box, "GET", path, {"q": "show databases"})) == [{"iox::database": "db", "deleted": False}]
    response = http(box, "GET", path, {"db": "db", "q": "SELECT v FROM m"})
    assert response.status == 501
    assert b"use SQL" in response.data


def test_databases_and_tables_are_managed(box: Sandbox) -> None:
    path, as_json = "/api/v3/configure/database", {"Content-Type": "application/json"}
    assert http(box, "POST", path, body='{"db":"one"}', headers=as_json).status == 200
    assert http(box, "POST", path, body='{"db":"one"}', headers=as_json).status == 409
    assert http(box, "POST", path, body='{"db":"two"}').status == 415
    assert http(box, "POST", path, body='{"db":"#"}', headers=as_json).status == 400
    write(box, "m v=1 1\nn v=1 1", database="two")
    assert http(box, "GET", path, {"format": "json"}).data == b'[{"iox::database":"one"},{"iox::database":"two"}]'
    assert http(box, "GET", path).status == 400
    assert http(box, "DELETE", "/api/v3/configure/table", {"db": "two", "table": "m"}).status == 200
    assert http(box, "DELETE", "/api/v3/configure/table", {"db": "two", "table": "m"}).status == 404
    assert http(box, "GET", "/api/v3/query_sql", {"db": "two", "q": "select * from m"}).status == 400
    schemas = {"db": "two", "q": "select distinct measurement from system.influxdb_schema order by 1"}
    dropped = json_of(http(box, "GET", "/api/v3/query_sql", schemas))[0]["measurement"]
    assert re.fullmatch(r"m-\d{8}T\d{6}", dropped)
    assert dropped in str(json_of(http(box, "GET", "/api/v3/query_sql", {"db": "two", "q": "show tables"})))
    kept = {"db": "two", "q": f'select v from "{dropped}"'}
    assert json_of(http(box, "GET", "/api/v3/query_sql", kept)) == [{"v": 1.0}]
    write(box, "m v=2 2", database="two")
    assert json_of(http(box, "GET", "/api/v3/query_sql", {"db": "two", "q": "select v from m"})) == [{"v": 2.0}]
    assert http(box, "DELETE", path, {"db": "two"}).status == 200
    assert http(box, "GET", "/api/v3/query_sql", {"db": "two", "q": "select 1"}).status == 404
    assert http(box, "DELETE", path, {"db": "two"}).status == 404


def test_a_failure_of_our_own_is_reported(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with mock.patch.object(box.store, "write", side_effect=OSError(28, "No space left on device")):
        response = http(box, "POST", "/api/v3/write_lp", {"db": "db"}, "m v=1")
    assert response.status == 500
    assert response.data == b"internal error: [Errno 28] No space left on device"
    assert box.token not in caplog.text


def test_many_rows_are_streamed(box: Sandbox) -> None:
    write(box, "\n".join(f"m v={number}i {number}" for number in range(30_000)))
    response = http(box, "GET", "/api/v3/query_sql", {"db": "db", "q": "select v from m", "format": "jsonl"})
    assert response.headers["transfer-encoding"] == "chunked"
    assert sum(json.loads(line)["v"] for line in response.data.splitlines()) == sum(range(30_000))
