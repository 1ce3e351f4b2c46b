"""Azure's storage of the test's own: Azurite, Microsoft's emulator, over a temporary folder."""

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

ACCOUNT = "devstoreaccount1"
# The key that every Azurite has, as its manual says.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "lake"


def connection_string(port: int) -> str:
    """How clients reach an emulator on a port."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    )


@contextmanager
def azurite(folder: Path) -> Iterator[dict[str, str]]:
    """Start an emulator with an empty container, yield pyiceberg's properties for it, stop it; skips if missing."""
    home = Path(os.environ.get("INFLUX_LAKE_TEST_AZURITE", ""))
    blob = home / "node_modules" / ".bin" / "azurite-blob"
    if not blob.exists() or shutil.which("node") is None:
        pytest.skip("Azurite is not installed: set INFLUX_LAKE_TEST_AZURITE to a folder that .ci/azurite filled")
    port = free_port()
    (folder / "azurite").mkdir()
    command = [
        str(blob),
        "--blobHost=127.0.0.1",
        f"--blobPort={port}",
        f"--location={folder / 'azurite'}",
        "--skipApiVersionCheck",
        "--loose",
        "--disableTelemetry",
        "--silent",
    ]
    with (folder / "azurite.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            await_port(port, server)
            _make_container(port)
            yield {
                "warehouse": f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net/warehouse",
                "adls.account-name": ACCOUNT,
                "adls.connection-string": connection_string(port),
            }
        finally:
            server.terminate()


def _make_container(port: int) -> None:
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(connection_string(port)) as client:
        client.create_container(CONTAINER)
