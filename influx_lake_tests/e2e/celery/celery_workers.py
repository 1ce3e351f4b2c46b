"""A Redis server, and Celery workers that run what Dagster launches."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from influx_lake_tests.e2e.dagster_site import REPOSITORY, wait_until

_WORKER = REPOSITORY / "deploy" / "celery" / "worker.yaml"
_STOP_SECONDS = 30


@dataclass
class CeleryWorkers:
    """Starts Redis; workers are started and killed by name.

    Attributes:
        folder: Where its files go.
        environment: More variables for the workers.
    """

    folder: Path
    environment: Mapping[str, str]
    _workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        if (server := shutil.which("redis-server")) is None:
            pytest.skip("redis-server is not installed")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        with ExitStack() as started:
            self._start_redis = lambda: self._start(
                server, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)
            )
            self._redis = self._start_redis()
            started.callback(lambda: _stop(self._redis))
            wait_until(self._answers, seconds=30, what="Redis")
            started.callback(self._stop_workers)
            self._started = started.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        self._started.close()

    @property
    def variables(self) -> dict[str, str]:
        """What deploy/celery/dagster.yaml and worker.yaml refer to."""
        address = f"redis://127.0.0.1:{self.port}"
        return {"DAGSTER_CELERY_BROKER": f"{address}/0", "DAGSTER_CELERY_BACKEND": f"{address}/1"}

    def start(self, name: str) -> None:
        """Start a worker of one process; it takes tasks as soon as it is there."""
        self._workers[name] = self._start(
            str(Path(sys.executable).with_name("dagster-celery")),
            *("worker", "start", "-A", "dagster_celery.app", "-y", str(_WORKER), "-n", name),
            *("--", "--concurrency=1", "--max-tasks-per-child=1"),
        )

    def kill(self, name: str) -> None:
        """Kill a worker with its processes at once, as a machine's end does."""
        process = self._workers.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def lose_broker(self) -> None:
        """Kill Redis, which keeps nothing, and start it anew."""
        self._redis.kill()
        self._redis.wait()
        self._redis = self._start_redis()
        wait_until(self._answers, seconds=30, what="Redis")

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        # dagster-celery starts `celery` by its name.
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY), **self.variables, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _stop_workers(self) -> None:
        for process in self._workers.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(_STOP_SECONDS)
