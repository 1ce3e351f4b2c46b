"""Serves gRPC and HTTP on one port, distinguished by the first bytes of a connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

_HTTP2_PREFACE = b"PRI *"
_BUFFER = 256 * 1024
Serve = Callable[[socket.socket, tuple[str, int]], None]


class Router:
    """Listens on one port. HTTP/2 is gRPC and is relayed to the Flight server; anything else is HTTP.

    Args:
        host: Where to listen.
        port: The port; 0 for any free one.
        flight: Where the Flight server listens.
        serve_http: Serves an HTTP connection; called in its own thread.
    """

    def __init__(self, host: str, port: int, flight: tuple[str, int], serve_http: Serve) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self._flight = flight
        self._serve_http = serve_http
        self._open: set[socket.socket] = set()
        self._relays: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="sandbox-router", daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self._cut(self._open)

    def cut_relays(self) -> None:
        """Cut the gRPC connections like a failing network."""
        self._cut(self._relays)

    def _cut(self, connections: set[socket.socket]) -> None:
        with self._lock:
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(
                target=self._serve, args=(connection, address), name="sandbox-connection", daemon=True
            ).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        try:
            with connection:
                if _speaks_http2(connection):
                    self._relay(connection)
                else:
                    self._serve_http(connection, address)
        except OSError:
            # The client has disconnected.
            pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _relay(self, client: socket.socket) -> None:
        with socket.create_connection(self._flight) as server:
            with self._lock:
                self._relays.add(client)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upstream = threading.Thread(target=_copy, args=(client, server), name="sandbox-upstream", daemon=True)
            upstream.start()
            _copy(server, client)
            upstream.join()
            with self._lock:
                self._relays.discard(client)


def _speaks_http2(connection: socket.socket) -> bool:
    """Peek at the first bytes; no HTTP/1 method begins like HTTP/2's preface."""
    return connection.recv(len(_HTTP2_PREFACE), socket.MSG_PEEK | socket.MSG_WAITALL) == _HTTP2_PREFACE


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Forward bytes until the source ends, then end the target, too."""
    buffer = memoryview(bytearray(_BUFFER))
    with contextlib.suppress(OSError):
        while size := source.recv_into(buffer):
            target.sendall(buffer[:size])
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
