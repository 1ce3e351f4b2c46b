"""The sandbox over HTTP: health, tokens and writes as the server has them, byte for byte."""

from __future__ import annotations

import base64
import gzip
import socket
from collections.abc import Iterator

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.sandbox.sandbox_clients import HTTP, http, json_of, query, rows, write


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as one:
        yield one


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
def test_health(box: Sandbox, path: str) -> None:
    response = http(box, "GET", path)
    assert (response.status, response.data) == (200, b"OK")
    assert response.headers["cluster-uuid"]
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping(box: Sandbox, method: str) -> None:
    response = http(box, method, "/ping")
    assert response.status == 200
    assert json_of(response).keys() == {"product_name", "version", "revision", "process_id"}
    assert response.headers["X-Influxdb-Version"] == json_of(response)["version"]
    assert response.headers["X-Influxdb-Build"]
    assert response.headers["Request-Id"]


def test_options_and_unknown_paths(box: Sandbox) -> None:
    assert http(box, "OPTIONS", "/api/v3/write_lp", token=False).status == 204
    assert http(box, "GET", "/nowhere").status == 404
    response = http(box, "DELETE", "/api/v3/write_lp")
    assert (response.status, "access-control-allow-origin" in response.headers) == (405, False)


MALFORMED = (
    '{"error": "Authorization header was malformed, the request was not in the form of '
    "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token and Basic\"}"
)
REFUSED = '{"error": "the request was not authenticated"}'


def test_tokens(box: Sandbox) -> None:
    assert box.token is not None
    assert box.token.startswith("apiv3_")
    basic = base64.b64encode(f"user:{box.token}".encode()).decode()
    for header, status, body in [
        (f"Bearer {box.token}", 200, "OK"),
        (f"Token {box.token}", 200, "OK"),
        (f"Basic {basic}", 200, "OK"),
        (None, 401, REFUSED),
        ("Bearer apiv3_wrong", 401, REFUSED),
        ("Basic !!", 400, MALFORMED),
        (f"bearer {box.token}", 400, MALFORMED),
        (f"Bearer {box.token} more", 400, MALFORMED),
        ("Bearer", 400, MALFORMED),
    ]:
        headers = {"Authorization": header} if header is not None else {}
        response = http(box, "GET", "/health", headers=headers, token=False)
        assert (response.status, response.data.decode()) == (status, body), header


def test_the_token_as_a_parameter_is_for_the_v1_paths(box: Sandbox) -> None:
    assert box.token is not None
    assert http(box, "POST", "/write", {"db": "db", "p": box.token}, "m v=1", token=False).status == 204
    assert http(box, "POST", "/write", {"db": "db", "p": "wrong"}, "m v=1").status == 401
    response = http(box, "POST", "/api/v2/write", {"bucket": "db", "p": box.token}, "m v=1", token=False)
    assert (response.status, response.data.decode()) == (401, REFUSED)


def test_a_sandbox_without_a_token_asks_for_none() -> None:
    with Sandbox(token=None) as box:
        assert http(box, "GET", "/health", token=False).status == 200


def test_partial_writes(box: Sandbox) -> None:
    lines = "cpu,host=b val=2 155\ncpu,host=a val= 123\ncpu,host=b val=5 199"
    response = http(box, "POST", "/api/v3/write_lp", {"db": "foo", "precision": "nanosecond"}, lines)
    assert response.status == 400
    assert response.data.decode() == (
        '{"error":"partial write of line protocol occurred","data":[{"error_message":"No fields were provided",'
        '"line_number":2,"original_line":"cpu,host=a val= 123"}]}'
    )
    assert json_of(http(box, "GET", "/api/v3/query_sql", {"db": "foo", "q": "select val from cpu order by time"})) == [
        {"val": 2.0},
        {"val": 5.0},
    ]


def test_strict_writes(box: Sandbox) -> None:
    lines = "cpu,host=a val= 123\ncpu,host=b val=5 124\ncpu,host=b val= 124"
    response = http(box, "POST", "/api/v3/write_lp", {"db": "foo", "accept_partial": "false"}, lines)
    assert response.status == 400
    assert response.data.decode() == (
        '{"error":"line protocol parsing error","data":{"error_message":"No fields were provided",'
        '"line_number":1,"original_line":"cpu,host=a val= 123"}}'
    )
    assert http(box, "GET", "/api/v3/query_sql", {"db": "foo", "q": "select * from cpu"}).status == 400


def test_a_type_conflict(box: Sandbox) -> None:
    write(box, "m f=1i 1")
    response = http(box, "POST", "/api/v3/write_lp", {"db": "db"}, "m f=1.5 2")
    assert json_of(response)["data"][0] == {
        "error_message": "invalid column type for column 'f', expected iox::column_type::field::integer, "
        "got iox::column_type::field::float",
        "line_number": 1,
        "original_line": "m f=1.5 2",
    }


def test_limits_are_422(box: Sandbox) -> None:
    fields = ",".join(f"f{number}=1" for number in range(500))
    response = http(box, "POST", "/api/v3/write_lp", {"db": "db"}, f"m {fields}")
    assert response.status == 422
    assert "Update to schema would exceed number of columns" in json_of(response)["data"][0]["error_message"]


def test_other_refused_writes(box: Sandbox) -> None:
    for params, body, status, text in [
        (None, "m v=1", 400, "missing query parameter 'db'"),
        ({"db": "db"}, "\n# only a comment\n", 400, "incoming write was empty"),
        ({"db": ""}, "m v=1", 400, '{"error":"db name cannot be empty"}'),
        ({"db": "?x"}, "m v=1", 400, '{"error":"db name did not start with a number or letter"}'),
        ({"db": "db", "precision": "day"}, "m v=1", 400, "unrecognized precision unit: day"),
    ]:
        response = http(box, "POST", "/api/v3/write_lp", params, body)
        assert (response.status, response.data.decode()) == (status, text)
    assert http(box, "POST", "/api/v3/write_lp", {"db": "db"}, b"m v=\xff").status == 400


@pytest.mark.parametrize(
    ("precision", "stamp"),
    [
        ("auto", 1708473600),
        ("auto", 1708473600_000),
        ("auto", 1708473600_000_000),
        ("auto", 1708473600_000_000_000),
        ("second", 1708473600),
        ("s", 1708473600),
        ("millisecond", 1708473600_000),
        ("us", 1708473600_000_000),
        ("nanosecond", 1708473600_000_000_000),
    ],
)
def test_precisions(box: Sandbox, precision: str, stamp: int) -> None:
    write(box, f"cpu v=5 {stamp}", precision=precision)
    response = http(box, "GET", "/api/v3/query_sql", {"db": "db", "q": "select time from cpu"})
    assert response.data == b'[{"time":"2024-02-21T00:00:00"}]'


def test_v2_writes(box: Sandbox) -> None:
    assert http(box, "POST", "/api/v2/write", {"bucket": "b", "org": "any", "precision": "ms"}, "m v=1 5").status == 204
    assert rows(query(box, "select time from m", database="b")) == [{"time": 5_000_000}]
    response = http(box, "POST", "/api/v2/write", {"bucket": "b"}, "m v=2 6\nm v= 7")
    assert response.status == 400
    assert response.data.decode() == (
        '{"code":"invalid","message":"write buffer error: line protocol parse failed: No fields were provided"}'
    )
    assert rows(query(box, "select count(*) as n from m", database="b")) == [{"n": 1}]


def test_v1_writes(box: Sandbox) -> None:
    assert http(box, "POST", "/write", {"db": "b", "precision": "s"}, "m v=1 5").status == 204
    response = http(box, "POST", "/write", {"db": "b"}, "m v= 7")
    assert (response.status, response.data.decode()) == (
        400,
        '{"error":"write buffer error: line protocol parse failed: No fields were provided"}',
    )
    assert http(box, "POST", "/write", {"db": "b", "rp": "weekly"}, "m v=1").status == 400


def test_gzip_in_one_and_several_members(box: Sandbox) -> None:
    body = gzip.compress(b"m v=1 1\n") + gzip.compress(b"m v=2 2\n")
    response = http(box, "POST", "/api/v3/write_lp", {"db": "db"}, body, {"Content-Encoding": "gzip"})
    assert response.status == 204
    assert rows(query(box, "select count(*) as n from m")) == [{"n": 2}]
    for broken in (b"no gzip", gzip.compress(b"m v=1 1\n")[:-9]):
        response = http(box, "POST", "/api/v3/write_lp", {"db": "db"}, broken, {"Content-Encoding": "gzip"})
        assert (response.status, response.data[:26]) == (400, b"error decoding gzip stream")
    response = http(box, "POST", "/api/v3/write_lp", {"db": "db"}, b"x", {"Content-Encoding": "br"})
    assert (response.status, response.data) == (400, b"unacceptable content-encoding: br")


def test_bodies_above_10_mib(box: Sandbox) -> None:
    large = b"#" * (10 * 1024 * 1024 + 1)
    text = b"max request size (10485760 bytes) exceeded"
    response = http(box, "POST", "/api/v3/write_lp", {"db": "db"}, gzip.compress(large), {"Content-Encoding": "gzip"})
    assert (response.status, response.data) == (413, text)
    response = http(box, "POST", "/api/v2/write", {"bucket": "db"}, gzip.compress(large), {"Content-Encoding": "gzip"})
    assert json_of(response) == {"code": "request too large", "message": text.decode()}
    with socket.create_connection((box.host, box.port)) as raw:
        raw.sendall(
            f"POST /api/v3/write_lp?db=db HTTP/1.1\r\nAuthorization: Bearer {box.token}\r\n"
            f"Content-Length: {len(large)}\r\n\r\n".encode()
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body(box: Sandbox) -> None:
    url = f"{box.url}/api/v3/write_lp?db=db&precision=ns"
    headers = {"Authorization": f"Bearer {box.token}"}
    response = HTTP.request("POST", url, body=iter([b"m v=1 1\nm v", b"=2 2"]), headers=headers, chunked=True)
    assert response.status == 204
    assert rows(query(box, "select v from m order by time")) == [{"v": 1.0}, {"v": 2.0}]


@pytest.mark.parametrize(
    ("framing", "body", "status"),
    [
        ("Content-Length: 100", b"m v=1 1\nm v=2", b""),
        ("Transfer-Encoding: chunked", b"7\r\nm v=1 1\r\n20\r\n\nm v=2", b""),
        ("Content-Length: many", b"m v=1 1", b"HTTP/1.1 400"),
        ("Content-Length: -7", b"m v=1 1", b"HTTP/1.1 400"),
        ("Transfer-Encoding: chunked", b"nonsense\r\n", b"HTTP/1.1 400"),
    ],
)
def test_half_a_body_is_not_stored(box: Sandbox, framing: str, body: bytes, status: bytes) -> None:
    with socket.create_connection((box.host, box.port)) as raw:
        head = f"POST /api/v3/write_lp?db=db HTTP/1.1\r\nAuthorization: Bearer {box.token}\r\n{framing}\r\n\r\n"
        raw.sendall(head.encode() + body)
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(12) == status
    assert box.store.database_names() == []


def test_several_requests_on_one_connection(box: Sandbox) -> None:
    import http.client

    connection = http.client.HTTPConnection(box.host, box.port)
    headers = {"Authorization": f"Bearer {box.token}"}
    for method, path, body in [
        ("POST", "/nowhere", b"not read"),
        ("POST", "/api/v3/write_lp?db=db", b"m v=1 1"),
        ("GET", "/health", None),
    ]:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
    assert response.status == 200
    connection.close()
