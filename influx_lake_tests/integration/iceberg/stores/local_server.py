"""The wait for a server of the test's own, on loopback."""

from __future__ import annotations

import socket
import subprocess
import time

WAIT_SECONDS = 60.0


def await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server takes connections.

    Raises:
        RuntimeError: It ended, or does not listen in time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            continue
        return
    raise RuntimeError(f"{server.args!r} did not start")
