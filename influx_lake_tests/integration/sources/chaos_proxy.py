"""A way to a server that fails as networks and load balancers do, the same for the same seed."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

_CHUNK = 4096
_RESET = struct.pack("ii", 1, 0)


class Mishap(StrEnum):
    """What becomes of one connection."""

    NONE = "none"
    DELAY = "delay"
    RESET = "reset"
    TRUNCATE = "truncate"
    BUSY = "429"
    UNAVAILABLE = "503"
    BROKEN = "500"
    ERROR_IN_200 = "200 with an error"


TCP_MISHAPS = (Mishap.DELAY, Mishap.RESET, Mishap.TRUNCATE)
HTTP_MISHAPS = tuple(mishap for mishap in Mishap if mishap is not Mishap.NONE)

_ANSWERS = {
    Mishap.BUSY: (b"429 Too Many Requests", b"Retry-After: 0\r\n", b'{"error":"too many requests"}'),
    Mishap.UNAVAILABLE: (b"503 Service Unavailable", b"Retry-After: 0\r\n", b"upstream connect error"),
    Mishap.BROKEN: (b"500 Internal Server Error", b"", b'{"error":"internal error"}'),
}


@dataclass
class ChaosProxy:
    """Passes connections on to a server, and lets some of them fail.

    Attributes:
        target: The server's host and port.
        rate: How likely a connection fails.
        chance: Draws what happens.
        mishaps: What may happen.
        error_body: What the server answers with status 200 when a query fails.
        most_bytes: A connection that breaks has passed on fewer bytes than this.
        happened: What did happen.
    """

    target: tuple[str, int]
    rate: float
    chance: random.Random
    mishaps: tuple[Mishap, ...]
    error_body: bytes = b'{"results":[{"statement_id":0,"error":"timeout"}]}\n'
    most_bytes: int = 100_000
    happened: list[Mishap] = field(default_factory=list)
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True, name="chaos-proxy").start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        # Closing alone would leave `accept` waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                _end(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                mishap = self.chance.choice(self.mishaps) if self.chance.random() < self.rate else Mishap.NONE
                allowed = self.chance.randrange(self.most_bytes)
                self.happened.append(mishap)
                threading.Thread(target=self._serve, args=(client, mishap, allowed), daemon=True).start()

    def _serve(self, client: socket.socket, mishap: Mishap, allowed: int) -> None:
        with contextlib.suppress(OSError), client:
            if mishap in _ANSWERS or mishap is Mishap.ERROR_IN_200:
                self._answer(client, mishap)
                return
            with socket.create_connection(self.target) as server:
                with self._lock:
                    self._open |= {client, server}
                threading.Thread(target=_pump, args=(client, server), daemon=True).start()
                if mishap is Mishap.DELAY:
                    threading.Event().wait(0.02)
                limit = allowed if mishap in (Mishap.RESET, Mishap.TRUNCATE) else None
                _pump(server, client, limit)
                if mishap is Mishap.RESET:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                _end(server)
                if mishap is not Mishap.RESET:
                    _end(client)
            with self._lock:
                self._open -= {client, server}

    def _answer(self, client: socket.socket, mishap: Mishap) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            received = client.recv(_CHUNK)
            if not received:
                return
            request += received
        status, headers, body = _ANSWERS.get(
            mishap, (b"200 OK", b"Content-Type: application/json\r\n", self.error_body)
        )
        lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Connection: close"]
        client.sendall(b"\r\n".join(lines) + b"\r\n" + headers + b"\r\n" + body)


@contextmanager
def chaos(url: str, seed: int, rate: float = 0.4, *, http: bool = False, **options: object) -> Iterator[ChaosProxy]:
    """A proxy before the server at `url`."""
    parts = urlsplit(url)
    mishaps = HTTP_MISHAPS if http else TCP_MISHAPS
    target = (str(parts.hostname), int(parts.port or 80))
    proxy = ChaosProxy(target, rate, random.Random(seed), mishaps, **options)  # type: ignore[arg-type]
    try:
        yield proxy
    finally:
        proxy.close()


def _pump(source: socket.socket, sink: socket.socket, limit: int | None = None) -> None:
    """Pass bytes on until the end, or until so many were passed."""
    passed = 0
    with contextlib.suppress(OSError):
        while limit is None or passed < limit:
            received = source.recv(_CHUNK if limit is None else min(_CHUNK, limit - passed))
            if not received:
                break
            sink.sendall(received)
            passed += len(received)
    if limit is None:
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
