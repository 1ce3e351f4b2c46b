"""Google Cloud Storage of the test's own: fake-gcs-server, over a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from influx_lake_tests.integration.iceberg.stores.local_server import await_port
from testbed.influxdb_servers import free_port

BUCKET = "lake"


@contextmanager
def gcs_server(folder: Path) -> Iterator[dict[str, str]]:
    """Start a server with an empty bucket, yield pyiceberg's properties for it, stop it; skips where it is missing."""
    binary = os.environ.get("INFLUX_LAKE_TEST_GCS_SERVER") or shutil.which("fake-gcs-server")
    if binary is None or not Path(binary).exists():
        pytest.skip(
            "fake-gcs-server is not installed: go install github.com/fsouza/fake-gcs-server@v1.56.1, and set "
            "INFLUX_LAKE_TEST_GCS_SERVER"
        )
    port = free_port()
    (folder / "gcs" / BUCKET).mkdir(parents=True)
    address = f"http://127.0.0.1:{port}"
    command = [binary, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-external-url", address]
    # What the folder holds is there from the start; nothing is written to it.
    command += ["-backend", "memory", "-data", str(folder / "gcs"), "-log-level", "error"]
    with (folder / "gcs.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            await_port(port, server)
            yield {
                "warehouse": f"gs://{BUCKET}/warehouse",
                "gcs.service.host": address,
                "gcs.oauth2.token": "not-looked-at",
                "gcs.oauth2.token-expires-at": "4102444800000",
            }
        finally:
            server.terminate()
