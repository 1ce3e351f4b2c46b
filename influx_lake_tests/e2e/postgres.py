"""A PostgreSQL server for the length of a test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start one on loopback; gives its address."""
    tools = _tools()
    # The server refuses root, and root's temporary folders are closed to others.
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    def run(tool: str, *arguments: str) -> None:
        command = [str(tools / tool), "-D", str(folder / "data"), *arguments]
        subprocess.run(
            command, user=owner.pw_uid, group=owner.pw_gid, cwd=folder, check=True, stdout=subprocess.DEVNULL
        )

    try:
        run("initdb", "-A", "trust", "-U", "dagster")
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg2://dagster:any@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _tools() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if found := shutil.which("initdb"):
        return Path(found).parent
    if not folders:
        pytest.skip("PostgreSQL is not installed")
    return folders[-1]
