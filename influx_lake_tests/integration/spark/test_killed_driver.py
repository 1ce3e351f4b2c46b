"""A driver that is killed: the table is as it was, or done, and the next run makes it right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from influx_lake.cli.entry import run
from influx_lake.config import load_lake
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.integration.spark import stopping_driver
from influx_lake_tests.integration.spark.test_spark_faults import _children
from testbed.waiting import wait_until

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 8_000
BEGIN = 1_767_312_000  # 2026-01-02T00:00:00Z
BOUNDS = ("--start", "2026-01-02", "--end", "2026-01-03", "--missing-only")
LAKE = """\
sources: {zone: {type: landing_zone, path: "./in/{measurement}/{year}/{month}/{day}", database: d, engine: spark}}
catalog: {type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}
defaults: {partition: {start: 2026-01-01}, lag: 0s}
spark: {master: "local[1]", rows_per_task: 1000, conf: {spark.sql.files.maxPartitionBytes: 250k}}
measurements: {cpu: {source: zone}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "cpu" / "2026" / "01" / "02"
    folder.mkdir(parents=True)
    records = ({"tags": {"host": f"h{n % 7}"}, "fields": {"v": n}, "timestamp": BEGIN + n} for n in range(ROWS))
    (folder / "a.json").write_text("".join(json.dumps(each) + "\n" for each in records))
    config = tmp_path / "lake.yaml"
    config.write_text(LAKE)
    return config


@contextmanager
def driver(config: Path, *before: str) -> Iterator[subprocess.Popen[bytes]]:
    """A load of the window in a process, killed at the end with all that it started."""
    command = [*before, "replicate", "--all", *BOUNDS, "-c", str(config)]
    with (config.parent / "driver.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=config.parent, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def said(config: Path) -> str:
    return (config.parent / "driver.log").read_text()


def held(config: Path) -> Any:
    """What the table holds: rows, points, and their sum; its snapshots."""
    lake = load_lake(config)
    table = open_catalog(lake.catalog.name, lake.catalog.properties()).load_table(lake.measurements[0].identifier)
    paths = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    if not paths:
        return (0, 0, 0), len(table.metadata.snapshots)
    query = "select count(*), count(distinct (host, time)), sum(v)::bigint from read_parquet(?)"
    return duckdb.execute(query, [paths]).fetchone(), len(table.metadata.snapshots)


WHOLE = (ROWS, ROWS, ROWS * (ROWS - 1) // 2)


def is_writing(config: Path) -> bool:
    """Whether a task has written a file of the table."""
    return any((config.parent / "warehouse").rglob("*.parquet"))


@pytest.mark.parametrize("which", ["driver", "java"])
def test_killed_while_tasks_write(config: Path, which: str, spark: Any) -> None:
    with driver(config, sys.executable, "-m", "influx_lake.cli") as process:
        wait_until(lambda: is_writing(config) or process.poll() is not None, "a file is written", 240)
        assert process.poll() is None, said(config)
        if which == "java":
            for child in _children(process.pid, b"org.apache.spark.deploy.SparkSubmit"):
                os.kill(child, signal.SIGKILL)
            assert process.wait(60) == 1
            assert "its process has ended; the table is unchanged" in said(config)
    assert held(config) == ((0, 0, 0), 0)
    assert run(["replicate", "--all", *BOUNDS, "-c", str(config)]) == 0
    assert held(config) == (WHOLE, 1)


@pytest.mark.parametrize("step", ["before", "after"])
def test_killed_at_the_commit(config: Path, step: str, spark: Any) -> None:
    with driver(config, sys.executable, stopping_driver.__file__, step) as process:
        wait_until(lambda: "AT THE COMMIT" in said(config) or process.poll() is not None, "it is at the commit", 240)
        assert process.poll() is None, said(config)
    assert held(config) == ((WHOLE, 1) if step == "after" else ((0, 0, 0), 0))
    assert run(["replicate", "--all", *BOUNDS, "-c", str(config)]) == 0
    assert held(config) == (WHOLE, 1)
