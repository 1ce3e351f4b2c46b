"""Connections with a timeout for the whole response header: urllib3's own is for each read, and restarts with every
byte.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from influx_lake.sources.http.merged_chunks import Response

if TYPE_CHECKING:
    from urllib3 import HTTPResponse


class _Patient(HTTPConnection):
    """Status line and headers have to be complete within the timeout."""

    response_class = Response

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        late = threading.Event()

        def end() -> None:
            late.set()
            # A connection that has ended already cannot be shut down.
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

        timer = threading.Timer(float(self.timeout or 0.0), end)
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()
        finally:
            timer.cancel()
            if late.is_set():
                # Replaces the error of the connection that was shut down: a response that ended in its headers.
                raise TimeoutError


class _PatientTls(_Patient, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Patient


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _PatientTls


class PatientPools(PoolManager):
    """urllib3's pools with these connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
