"""Sixteen processes load sixty-four windows of one table, each window three times: all succeed, the table is exact."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.scan.reader import count_rows
from influx_lake.iceberg.table_state import table_state
from influx_lake_tests.integration.iceberg.catalogs.java_server import apache_rest_catalog, hive_metastore
from influx_lake_tests.integration.iceberg.catalogs.postgres import postgres
from influx_lake_tests.integration.iceberg.catalogs.rest_catalog import rest_catalog
from influx_lake_tests.integration.iceberg.loading_worker import ROWS
from influx_lake_tests.unit.iceberg.tables import day, table

PROCESSES = 16
WINDOWS = 64
TIMES = 3


CATALOGS = [
    "sqlite",
    "postgresql",
    "rest (a test server over pyiceberg's SQL catalog)",
    "rest (Apache Iceberg's own)",
    "hive metastore",
]


@pytest.fixture(params=CATALOGS)
def properties(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    local = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": str(tmp_path / "warehouse")}
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield local
        elif request.param == "postgresql":
            yield {**local, "uri": stack.enter_context(postgres())}
        elif request.param == "hive metastore":
            uri = stack.enter_context(hive_metastore(tmp_path))
            yield {"type": "hive", "uri": uri, "hive.hive2-compatible": "true"}
        else:
            own = request.param.startswith("rest (Apache")
            server = apache_rest_catalog(tmp_path) if own else rest_catalog(local)
            yield {"type": "rest", "uri": stack.enter_context(server)}


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_run_succeeds_and_the_table_is_exact(
    properties: dict[str, str], capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    catalog = open_catalog("lake", properties)
    # Every window is loaded by three processes, at different times.
    work = [[(first * 4 + step) % WINDOWS for step in range(12)] for first in range(PROCESSES)]
    assert sorted(number for numbers in work for number in numbers) == sorted([*range(WINDOWS)] * TIMES)

    seconds, elapsed = run_together(properties, work)

    found = table(catalog)
    assert [count_rows(found, day(number)) for number in range(WINDOWS)] == [ROWS + number for number in range(WINDOWS)]
    assert table_state(found).coverage.holds(day(0, WINDOWS))
    files = [task.file.file_path for task in found.scan().plan_files()]
    assert len(files) == len(set(files)) == WINDOWS
    assert len(seconds) == WINDOWS * TIMES
    slowest = sorted(seconds)[int(len(seconds) * 0.99) - 1]
    with capsys.disabled():
        print(
            f"\n{request.node.name}: {len(seconds)} commits in {elapsed:.1f} s, {len(seconds) / elapsed:.1f}/s, "
            f"p50 {sorted(seconds)[len(seconds) // 2]:.2f} s, p99 {slowest:.2f} s"
        )


def run_together(properties: dict[str, str], work: list[list[int]]) -> tuple[list[float], float]:
    """Run a process for each list of windows, all at once; the seconds of every commit, and of the whole."""
    script, root = Path(__file__).with_name("loading_worker.py"), Path(__file__).parents[3]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(script), json.dumps(properties), *map(str, numbers)],
                    cwd=root,
                    env={"PYTHONPATH": str(root), "PATH": ""},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for numbers in work
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate()[0] for process in processes]
        elapsed = time.monotonic() - began
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [taken for answer in answers for taken in json.loads(answer)], elapsed
