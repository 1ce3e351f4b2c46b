"""A real Nessie of the test's own: versions in memory, files in a server of S3."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

_STARTING_SECONDS = 120.0
_LISTENING = re.compile(r"Listening on: http://127\.0\.0\.1:(\d+)")
_JAVA = re.compile(r'^JAVA_VERSION="(2[1-9]|[3-9]\d)\b', re.MULTILINE)


def java() -> Path:
    """A Java that Nessie runs on; skips the test where there is none."""
    for release in sorted(Path("/usr/lib/jvm").glob("*/release")):
        if _JAVA.search(release.read_text()):
            return release.parent / "bin" / "java"
    pytest.skip("no Java 21 or later")


@contextmanager
def nessie(folder: Path, s3: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Start a server whose warehouse is in a bucket, yield pyiceberg's properties for it, stop it.

    Args:
        folder: For its log.
        s3: pyiceberg's properties of the server of S3.
    """
    jar = Path(os.environ.get("INFLUX_LAKE_TEST_NESSIE", "nowhere")) / "nessie.jar"
    if not jar.exists():
        pytest.skip("Nessie is not installed: .ci/nessie FOLDER, and INFLUX_LAKE_TEST_NESSIE=FOLDER")
    options = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": "0",
        "quarkus.management.enabled": "false",
        "nessie.version.store.type": "IN_MEMORY",
        "nessie.catalog.default-warehouse": "lake",
        "nessie.catalog.warehouses.lake.location": s3["warehouse"],
        "nessie.catalog.service.s3.default-options.endpoint": s3["s3.endpoint"],
        "nessie.catalog.service.s3.default-options.region": s3["s3.region"],
        "nessie.catalog.service.s3.default-options.path-style-access": "true",
        # pyiceberg has remote signing for fsspec alone.
        "nessie.catalog.service.s3.default-options.request-signing-enabled": "false",
        "nessie.catalog.service.s3.default-options.access-key": "urn:nessie-secret:quarkus:store",
        "store.name": s3["s3.access-key-id"],
        "store.secret": s3["s3.secret-access-key"],
    }
    command = [str(java()), "-Xmx512m", *(f"-D{name}={value}" for name, value in options.items()), "-jar", str(jar)]
    log = folder / "nessie.log"
    with log.open("w") as output, subprocess.Popen(command, cwd=folder, stdout=output, stderr=output) as server:
        try:
            yield {
                "type": "rest",
                "uri": f"http://127.0.0.1:{_port(log, server)}/iceberg/",
                "warehouse": "lake",
                "s3.access-key-id": s3["s3.access-key-id"],
                "s3.secret-access-key": s3["s3.secret-access-key"],
            }
        finally:
            server.terminate()


def _port(log: Path, server: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if found := _LISTENING.search(log.read_text()):
            return int(found[1])
    raise RuntimeError(f"Nessie did not start:\n{log.read_text()[-5000:]}")
