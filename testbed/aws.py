"""An AWS of a test's own, by moto."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from moto.server import ThreadedMotoServer


@contextmanager
def empty_aws() -> Iterator[str]:
    """Start an AWS on loopback, and give its address.

    moto keeps its state in the process, not in the server: what a test before this one left there, such as a bucket
    of the same name, is forgotten first.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        requests.post(f"{url}/moto-api/reset", timeout=60).raise_for_status()
        yield url
    finally:
        server.stop()
