"""An HTTP server that sends what a test tells it to, byte by byte, also what no HTTP server would."""

from __future__ import annotations

import contextlib
import gzip
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

RESET = object()
"""Ends the connection as a process that dies does."""


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    body: bytes

    @property
    def statement(self) -> str:
        """The InfluxQL of a form."""
        return parse_qs(self.body.decode()).get("q", [""])[0]


Sent = bytes | threading.Event | object
Answer = Callable[[Asked], Iterable[Sent]]


class _Handler(socketserver.BaseRequestHandler):
    server: LyingServer
    request: socket.socket

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            asked = self._read()
            if asked is None:
                return
            self.server.asked.append(asked)
            for part in self.server.answer(asked):
                if part is RESET:
                    self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if isinstance(part, bytes):
                    self.request.sendall(part)

    def _read(self) -> Asked | None:
        came = b""
        while b"\r\n\r\n" not in came:
            if not (part := self.request.recv(65_536)):
                return None
            came += part
        head, _, body = came.partition(b"\r\n\r\n")
        first, *headers = head.decode("latin-1").split("\r\n")
        named = dict(line.lower().split(": ", 1) for line in headers)
        while len(body) < int(named.get("content-length", 0)):
            body += self.request.recv(65_536)
        method, path, _ = first.split(" ")
        return Asked(method, path, body)


class LyingServer(socketserver.ThreadingTCPServer):
    """Answers each request with what `answer` makes of it, and closes the connection.

    Attributes:
        answer: What to send. A part waits where its generator does: on `over`, which the end of the test sets.
        asked: The requests that came.
        over: Set when nobody listens any more.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Asked] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no error."""


@contextlib.contextmanager
def lying(answer: Answer) -> Iterator[LyingServer]:
    with LyingServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Http:
    """An answer, in any of the ways to say where it ends.

    Attributes:
        body: What it holds.
        kind: Its Content-Type.
        status: The status line's end.
        more: Further headers.
    """

    body: bytes = b""
    kind: str = "application/json"
    status: str = "200 OK"
    more: tuple[str, ...] = field(default=())

    def head(self, *framing: str) -> bytes:
        lines = [f"HTTP/1.1 {self.status}", f"Content-Type: {self.kind}", *self.more, *framing, "Connection: close"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def sized(self, length: int | None = None) -> bytes:
        """With a Content-Length, which may be a lie."""
        return self.head(f"Content-Length: {len(self.body) if length is None else length}") + self.body

    def chunked(self, size: int = 200, end: bytes = b"0\r\n\r\n") -> bytes:
        """In chunks, with or without the last one."""
        parts = (self.body[start : start + size] for start in range(0, len(self.body), size))
        return self.head("Transfer-Encoding: chunked") + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + end

    def closed(self) -> bytes:
        """Up to the end of the connection."""
        return self.head() + self.body

    def zipped(self) -> bytes:
        """Compressed, in chunks."""
        packed = Http(gzip.compress(self.body), self.kind, self.status, (*self.more, "Content-Encoding: gzip"))
        return packed.chunked()

    def framings(self) -> dict[str, bytes]:
        """The same in every way."""
        return {"sized": self.sized(), "chunked": self.chunked(), "closed": self.closed(), "zipped": self.zipped()}


def drip(data: bytes, over: threading.Event, pause: float = 0.05) -> Iterator[bytes]:
    """One byte at a time."""
    for place in range(len(data)):
        if over.wait(pause):
            return
        yield data[place : place + 1]


def forever(part: bytes, over: threading.Event) -> Iterator[bytes]:
    """Without end."""
    while not over.is_set():
        yield part
