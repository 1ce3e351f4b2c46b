"""Connections to the service: how long a client may be silent, and that it gets its answer."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from influx_lake.config.lake.serving import ServeLimits, ServeOptions
from influx_lake.serve.gate.gate import Gate
from influx_lake.serve.gate.tokens import Tokens
from influx_lake.serve.server import PatientH11
from testbed.waiting import wait_until

OPTIONS = ServeOptions(limits=ServeLimits(body=1000, patience="1s"))
GET = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def served(patience: float) -> Iterator[tuple[str, int]]:
    """An application behind the gate, at its address."""
    protocol = type("Protocol", (PatientH11,), {"patience": patience})
    gate = Gate(PlainTextResponse("ok"), OPTIONS, Tokens(()))
    server = uvicorn.Server(uvicorn.Config(gate, http=protocol, ws="none", lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            wait_until(lambda: server.started, "it listens")
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.mark.parametrize("rest", [b"", b"GET /health HTTP/1.1\r\nHost: a", GET + b"G", b"POST / HTTP/1.1\r\n"])
def test_who_was_answered_may_not_be_silent_for_ever(rest: bytes) -> None:
    with served(patience=0.2) as address:
        client = http.client.HTTPConnection(*address, timeout=5)
        client.connect()
        connection, end = client.sock, monotonic() + 0.3
        # Who goes on asking is answered for longer than that.
        while monotonic() < end:
            client.request("GET", "/health")
            assert client.getresponse().read() == b"ok"
        assert client.sock is connection
        connection.sendall(rest)
        while connection.recv(1000):
            pass


def test_who_sends_too_much_is_told_so() -> None:
    with served(patience=5) as address:
        client = http.client.HTTPConnection(*address, timeout=10)
        client.request("POST", "/v1/windows", body=b"x" * 11_000_000)
        answer = client.getresponse()
        assert answer.status == 413
        assert b"serve.limits.body" in answer.read()
        client.request("GET", "/health")
        assert client.getresponse().read() == b"ok"
