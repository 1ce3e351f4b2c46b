"""Executors that are killed, and tasks that run twice: a window is in its table once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.integration.spark.landed_files import BOUNDS, lake, land
from influx_lake_tests.integration.spark.test_both_engines import _rows

pytestmark = pytest.mark.servers

CPU = {"json_plain": "{source: json, measurement: cpu}"}
ON_TWO_MACHINES = {
    "spark.executor.memory": "512m",
    "spark.task.maxFailures": "20",
    "spark.stage.maxConsecutiveAttempts": "20",
    "spark.speculation": "true",
    "spark.speculation.multiplier": "1.01",
    "spark.speculation.quantile": "0.1",
}
"""Executors as processes of their own, and of slow tasks a second one."""


def _command(config: Path) -> list[str]:
    return [sys.executable, "-m", "influx_lake.cli", "replicate", "--all", *BOUNDS, "-c", str(config)]


def _table_rows(config: Path) -> list[tuple[Any, ...]]:
    read = load_lake(config)
    catalog = open_catalog(read.catalog.name, read.catalog.properties())
    return _rows(catalog.load_table(read.measurements[0].identifier))


def _children(of: int, what: bytes) -> list[int]:
    """The processes below a process whose command has a word."""
    found, waiting = [], [of]
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    while waiting:
        for child in parents.get(waiting.pop(), ()):
            waiting.append(child)
            try:
                if what in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
            except OSError:
                continue
    return found


@pytest.mark.slow
def test_executors_are_killed_and_tasks_run_twice(tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="Spark is not installed: make engines")
    land(tmp_path)
    own = lake(tmp_path, "own", CPU)
    assert subprocess.run(_command(own), check=False).returncode == 0
    config = lake(tmp_path, "spark", CPU)
    conf = ", ".join(f"{name}: '{value}'" for name, value in ON_TWO_MACHINES.items())
    cluster = f'master: "local-cluster[2,1,512]", conf: {{{conf}}}'
    config.write_text(config.read_text().replace('master: "local[2]"', cluster))
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    process = subprocess.Popen(_command(config), env=environment)
    killed = 0
    ended = threading.Event()

    def kill() -> None:
        nonlocal killed
        while not ended.wait(4) and killed < 3:
            for executor in _children(process.pid, b"CoarseGrainedExecutorBackend")[:1]:
                os.kill(executor, signal.SIGKILL)
                killed += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert process.wait(280) == 0
    finally:
        ended.set()
        killer.join()
        process.kill()
    assert killed
    assert _table_rows(config) == _table_rows(own)
