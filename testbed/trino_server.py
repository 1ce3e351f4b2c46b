"""A real Trino of the test's own, with one Iceberg catalog."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

WAIT_SECONDS = 240.0
LEAST_JAVA = 24
VIRTUAL_MACHINES = Path("/usr/lib/jvm")

_CONFIG = """\
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
web-ui.enabled=false
query.max-memory=256MB
query.max-memory-per-node=256MB
catalog.management=dynamic
"""
# With static catalogs, a node may be given work of one only after it has announced it, which is seconds after it is
# active: until then queries fail with NO_NODES_AVAILABLE (Trino 476 on a busy machine).
_CATALOG = """\
connector.name=iceberg
iceberg.catalog.type=rest
iceberg.rest-catalog.uri={uri}
iceberg.rest-catalog.view-endpoints-enabled=false
fs.native-local.enabled=true
local.location=/
"""


@contextmanager
def trino_server(folder: Path, catalog_uri: str | None, others: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start Trino on a REST catalog, which it calls `warehouse`, and stop it; yields its address.

    `others` are the property files of more catalogs, by their names. The number of its process is in `trino.pid`.

    Skips the test where it, or a Java that is new enough, is not installed. Trino 476 takes half a minute to start, and
    a gigabyte of memory.
    """
    home, java = _installed(), _java()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "etc" / "catalog").mkdir(parents=True)
    (folder / "etc" / "config.properties").write_text(_CONFIG.format(port=port))
    catalogs = {"warehouse": _CATALOG.format(uri=catalog_uri)} if catalog_uri else {}
    for name, properties in {**catalogs, **(others or {})}.items():
        (folder / "etc" / "catalog" / f"{name}.properties").write_text(properties)
    command = [
        str(java),
        "-Xmx1g",
        "-XX:+UseSerialGC",
        "-Dnode.environment=test",
        "-Dnode.bind-ip=127.0.0.1",
        "-Dnode.internal-address=127.0.0.1",
        f"-Dnode.data-dir={folder}/data",
        f"-Dplugin.dir={home}/plugin",
        f"-Dconfig={folder}/etc/config.properties",
        "-Djdk.attach.allowAttachSelf=true",
        "--add-modules=jdk.incubator.vector",
        "--sun-misc-unsafe-memory-access=allow",
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        f"{home}/lib/*",
        "io.trino.server.TrinoServer",
    ]
    log = folder / "trino.log"
    with log.open("w") as output, subprocess.Popen(command, cwd=folder, stdout=output, stderr=output) as process:
        try:
            (folder / "trino.pid").write_text(str(process.pid))
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, log)
            yield address
        finally:
            process.kill()


def _installed() -> Path:
    home = os.environ.get("INFLUX_LAKE_TEST_TRINO")
    if not home or not (Path(home) / "plugin" / "iceberg").is_dir():
        pytest.skip("Trino is not installed: .ci/trino FOLDER fetches it; INFLUX_LAKE_TEST_TRINO names the folder")
    return Path(home)


def _java() -> Path:
    for release in sorted(VIRTUAL_MACHINES.glob("*/release"), reverse=True):
        version = re.search(r'JAVA_VERSION="(\d+)', release.read_text())
        java = release.parent / "bin" / "java"
        if version and int(version[1]) >= LEAST_JAVA and java.exists():
            return java
    pytest.skip(f"no Java {LEAST_JAVA} or later below {VIRTUAL_MACHINES}, which Trino needs")


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if not requests.get(f"{address}/v1/info", timeout=5).json()["starting"] and _runs_queries(address):
                return
        except (requests.RequestException, ValueError):
            # Nobody listens yet, or not to that.
            pass
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"Trino did not start:\n{log.read_text()[-5000:]}")


def _runs_queries(address: str) -> bool:
    """Whether a node of it takes work: a server that has started finds itself some time later."""
    from trino.dbapi import connect
    from trino.exceptions import Error

    place = urlsplit(address)
    with closing(connect(host=place.hostname, port=place.port, user="any", request_timeout=10)) as connection:
        try:
            cursor = connection.cursor().execute("SELECT count(*) FROM system.runtime.nodes WHERE state = 'active'")
            [[active]] = cursor.fetchall()
            # An active node may not be given splits yet: a query whose splits may go to any node tells it.
            connection.cursor().execute("SELECT count(*) FROM TABLE(sequence(1, 100))").fetchall()
        except Error:
            return False
    return int(active) > 0
