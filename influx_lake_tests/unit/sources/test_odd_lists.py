"""An answer without the list that was asked for is an error: as an empty list, it would be a bucket that vanished."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

import pytest

from influx_lake.config import Secret
from influx_lake.config.connections import InfluxDB2Config
from influx_lake.errors import DatabaseNotFound, UnexpectedAnswer
from influx_lake.sources import open_source
from influx_lake.sources.databases import databases_of

ANSWERS = {
    "error": b'{"results": [{"statement_id": 0, "error": "the query was killed"}]}',
    "no object": b"[]",
    "no list": b'{"buckets": {}, "content": 1}',
    "no objects in it": b'{"buckets": ["telemetry"], "content": [1]}',
}


class Server(ThreadingHTTPServer):
    buckets = content = b"{}"


class Answering(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        body = self.server.buckets if urlparse(self.path).path == "/api/v2/buckets" else self.server.content
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is told of a request."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def config(server: Server) -> InfluxDB2Config:
    url = f"http://127.0.0.1:{server.server_port}"
    return InfluxDB2Config(type="influxdb2", host=url, org="plant", bucket="telemetry", token=Secret("t"))


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_of_buckets(server: Server, answer: bytes) -> None:
    server.buckets = answer
    with pytest.raises(UnexpectedAnswer, match="the response of /api/v2/buckets has no list of buckets"):
        open_source(config(server)).measurements()
    with pytest.raises(UnexpectedAnswer, match="the response of /api/v2/buckets has no list of buckets"):
        databases_of(config(server))


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_of_mappings(server: Server, answer: bytes) -> None:
    server.buckets, server.content = b'{"buckets": [{"name": "telemetry", "id": "07"}]}', answer
    with pytest.raises(UnexpectedAnswer, match="the response of /api/v2/dbrps has no list of content"):
        open_source(config(server)).measurements()


def test_an_empty_list_is_one(server: Server) -> None:
    server.buckets = b'{"buckets": []}'
    assert databases_of(config(server)) == []
    with pytest.raises(DatabaseNotFound, match="no such bucket in plant"):
        open_source(config(server)).measurements()
