"""A real S3 server of the test's own: versitygw, over a temporary folder."""

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
def versitygw(folder: Path) -> Iterator[dict[str, str]]:
    """Start a server with an empty bucket, yield pyiceberg's properties for it, stop it; skips where it is missing."""
    binary = os.environ.get("INFLUX_LAKE_TEST_VERSITYGW") or shutil.which("versitygw")
    if binary is None:
        pytest.skip("versitygw is not installed: go install github.com/versity/versitygw/cmd/versitygw@v1.7.0")
    port = free_port()
    (folder / "objects" / BUCKET).mkdir(parents=True)
    (folder / "meta").mkdir()
    environment = {"ROOT_ACCESS_KEY": "test-access", "ROOT_SECRET_KEY": "test-secret", "PATH": os.environ["PATH"]}
    command = [
        binary,
        "--port",
        f"127.0.0.1:{port}",
        "posix",
        "--sidecar",
        str(folder / "meta"),
        str(folder / "objects"),
    ]
    with (
        (folder / "versitygw.log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            await_port(port, server)
            yield {
                "warehouse": f"s3://{BUCKET}/warehouse",
                "s3.endpoint": f"http://127.0.0.1:{port}",
                "s3.access-key-id": "test-access",
                "s3.secret-access-key": "test-secret",
                "s3.region": "us-east-1",
            }
        finally:
            server.terminate()
