"""A way to a server on which the answer to a request gets lost: what was asked for took place, and nobody says so.

As a process of its own, where a client holds Python's lock while it waits: `lost_answers.py PORT MARKER`. It prints
where it listens; each number that it reads is how many more answers are to get lost, and it prints how many have.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_CHUNK = 65_536


@dataclass
class LosingProxy:
    """Passes connections on to a server.

    Attributes:
        target: The server's host and port.
        marker: What the requests hold whose answers may get lost.
        losing: How many answers are to get lost.
        lost: How many have.
        port: Where it listens, on loopback.
    """

    target: tuple[str, int]
    marker: bytes
    losing: int = 0
    lost: int = 0
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True, name="losing-proxy").start()

    def close(self) -> None:
        # Closing alone would leave `accept` waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        marked = threading.Event()
        with contextlib.suppress(OSError), client, socket.create_connection(self.target) as server:
            threading.Thread(target=self._pass_requests, args=(client, server, marked), daemon=True).start()
            while answer := server.recv(_CHUNK):
                if marked.is_set() and self.lost < self.losing:
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                marked.clear()
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)

    def _pass_requests(self, client: socket.socket, server: socket.socket, marked: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while request := client.recv(_CHUNK):
                if self.marker in request:
                    marked.set()
                server.sendall(request)
            server.shutdown(socket.SHUT_WR)


@contextmanager
def losing_proxy(port: int, marker: bytes) -> Iterator[LosingProxy]:
    """A way to a server on loopback."""
    proxy = LosingProxy(("127.0.0.1", port), marker)
    try:
        yield proxy
    finally:
        proxy.close()


@dataclass(frozen=True)
class OutsideProxy:
    """A way to a server in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def lose(self, more: int) -> int:
        """Let some more answers get lost; how many have until now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{more}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def outside_proxy(port: int, marker: str) -> Iterator[OutsideProxy]:
    """A way to a server on loopback, whose client may hold Python's lock while it waits."""
    command = [sys.executable, __file__, str(port), marker]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield OutsideProxy(process, int(process.stdout.readline()))
        finally:
            process.kill()


if __name__ == "__main__":
    with losing_proxy(int(sys.argv[1]), sys.argv[2].encode()) as own:
        print(own.port, flush=True)
        for line in sys.stdin:
            own.losing = max(own.losing, own.lost) + int(line)
            print(own.lost, flush=True)
