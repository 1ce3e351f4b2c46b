"""An HTTP server between a client and an InfluxDB that does what bad networks and busy servers do, by a seed."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class FaultyProxy:
    """Hands requests on to a server, and answers of writes back; some of them not.

    Args:
        url: The server.
        seed: Decides what goes wrong.
        share: How many of the writes go wrong, of 1.

    Attributes:
        url: Where it listens.
        met: How often each thing went wrong.
        writes: How many writes came.
        most_under_way: How many requests were under way at once, at most.
    """

    FAULTS = ("503", "429", "cut before", "cut after", "500 after")

    def __init__(self, url: str, seed: int, share: float) -> None:
        self.met: Counter[str] = Counter()
        self.writes = 0
        self.under_way = 0
        self.most_under_way = 0
        self._backend = urlsplit(url)
        self._chance, self._share = random.Random(seed), share
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[FaultyProxy]:
        """Listens for as long as the context lasts."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def fault(self) -> str | None:
        """What goes wrong with the next write, if anything."""
        with self._lock:
            self.writes += 1
            if self._chance.random() >= self._share:
                return None
            fault = self._chance.choice(self.FAULTS)
            self.met[fault] += 1
            return fault

    def passed_on(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
        """Hand a request on to the server."""
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        connection = http.client.HTTPConnection(self._backend.hostname or "", self._backend.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()
            with self._lock:
                self.under_way -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: FaultyProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def _pass(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        fault = proxy.fault() if "write" in self.path else None
        if fault in ("503", "429"):
            self._answer(int(fault), [("Retry-After", "0")], b'{"error":"busy"}')
        elif fault == "cut before":
            self._cut()
        else:
            status, sent, said = proxy.passed_on(self.command, self.path, body, headers)
            if fault == "cut after":
                self._cut()
            elif fault == "500 after":
                self._answer(500, [], b'{"error":"timeout"}')
            else:
                self._answer(status, [each for each in sent if each[0].lower() not in HOP], said)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        # Who was killed does not wait for the answer.
        with suppress(OSError):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if status == 204 else body)

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Nothing."""
