"""Windows that are written in parts, by one process or several: the tables are those of whole windows."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import DAY_NS, FIRST_DAY_NS, LAKE, CliLake

END = ("--end", "2026-01-03")
SPLIT = "partition: {split: 3h}"
OPTIONS = {
    "as it is": "",
    "sorted": "write: {sort_by: [host, time]}",
    "appended": "write: {mode: append}",
    "upserted": "write: {mode: upsert}",
    "upserted, sorted": "write: {mode: upsert, sort_by: [host, time]}",
    "partitioned": 'iceberg_partition: ["hour(time)", "bucket(4, host)"]',
    "long": "layout: long",
    "transformed": 'rename: {host: node}, computed: {twice: "value * 2"}, where: "value % 7 != 0"',
    "quarantined": "types: {text: long}, on_cast_error: quarantine",
    "truncated": "nanoseconds: truncate",
    "audited": "write: {publish: after_checks}, checks: {values: [{column: value, not_null: true}]}",
}


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CliLake]:
    with Sandbox() as box:
        found = CliLake(tmp_path, box, capsys)
        found.fill("cpu", range(2), 60)
        lines = [
            f'cpu,host=h{n % 3},rack=r{n % 2} value={n}i,text="{"x" if n % 5 else n}" {1_767_232_800_000_000_007 + n}'
            for n in range(20)
        ]
        box.write("telemetry", "\n".join(lines))
        yield found


def measurement(lake: CliLake, *options: str) -> None:
    """What lake.yaml says of cpu."""
    said = ", ".join(filter(None, options))
    lake.write_config(
        LAKE.replace("cpu: {{}}", "cpu: {" + "{" + said.replace("{", "{{").replace("}", "}}") + "}" + "}")
    )


def read_back(lake: CliLake, table: str) -> list[tuple[object, ...]]:
    """The rows as DuckDB reads the files of a table."""
    scan = lake.catalog.load_table(f"telemetry.{table}").scan()
    files = [task.file.file_path.removeprefix("file://") for task in scan.plan_files()]
    return duckdb.sql(f"select * from read_parquet({files}, union_by_name = true) order by all").fetchall()


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_a_table_is_the_same_as_of_whole_windows(lake: CliLake, options: str) -> None:
    told = {}
    for table, split in (("whole", ""), ("parts", SPLIT)):
        measurement(lake, options, f"table: {table}", split)
        told[table] = lake.tell("replicate", "cpu", *END, "--json")
        assert told[table].code == 0, told[table].err
    figures = {table: [each["rows"] for each in each_told.object["windows"]] for table, each_told in told.items()}
    assert figures["parts"] == figures["whole"]
    assert read_back(lake, "parts") == read_back(lake, "whole") != []
    assert lake.tell("verify", "cpu", "--values", *END).code == 0
    assert not list(lake.folder.rglob("*.part.json"))


def test_a_part_that_does_not_fit_refuses_the_window(lake: CliLake) -> None:
    measurement(lake, "types: {text: long}", SPLIT)
    result = lake.tell("replicate", "cpu", *END)
    assert result.code == 1
    assert "window 2026-01-01" in result.err
    assert lake.tell("status", "--json").code == 0
    assert "telemetry.cpu" not in result.out


@pytest.mark.slow
def test_processes_write_the_parts(lake: CliLake) -> None:
    measurement(lake, SPLIT)
    result = lake.tell("replicate", "cpu", *END, "--jobs", "2")
    assert result.code == 0, result.err
    assert result.err == ""
    assert lake.rows() == 140
    assert lake.tell("verify", "cpu", "--values", *END).code == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_processes_are_killed_anywhere(lake: CliLake, seed: int) -> None:
    chance = random.Random(seed)
    measurement(lake, SPLIT)
    lake.box.faults.batch_delay = 0.05
    for _ in range(2):
        process = lake.start("replicate", "cpu", *END, "--jobs", "2")
        try:
            process.wait(timeout=chance.uniform(1, 12))
        except subprocess.TimeoutExpired:
            os.kill(chance.choice([process.pid, *children(process.pid)]), signal.SIGKILL)
            process.wait(timeout=200)
    lake.box.faults.clear()
    result = lake.tell("replicate", "cpu", *END)
    assert result.code == 0, result.err
    assert lake.rows() == 140
    assert lake.tell("verify", "cpu", "--values", *END).code == 0


@pytest.mark.slow
def test_what_a_killed_run_wrote_is_taken_up_as_far_as_the_source_still_has_it(lake: CliLake) -> None:
    """Two points of the first part have exchanged their values by then: their number, sum and bounds are the same."""
    measurement(lake, SPLIT)
    lake.box.faults.batch_delay = 0.5
    process = lake.start("replicate", "cpu", "--end", "2026-01-02")
    while len(list(lake.folder.rglob("*.part.json"))) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.kill()
    process.communicate()
    lake.box.faults.clear()
    written = set(lake.folder.rglob("*.parquet"))
    step = DAY_NS // 60 // 1000 * 1000
    lake.box.write("telemetry", f"cpu,host=h0 value=3i {FIRST_DAY_NS}\ncpu,host=h0 value=0i {FIRST_DAY_NS + 3 * step}")
    told = lake.tell("replicate", "cpu", "--end", "2026-01-02")
    assert told.code == 0, told.err
    assert lake.tell("verify", "cpu", "--values", "--end", "2026-01-02").code == 0
    files = [task.file.file_path for task in lake.catalog.load_table("telemetry.cpu").scan().plan_files()]
    assert len(files) == 8
    assert 2 <= len({path for path in written if path.as_uri() in files or str(path) in files}) <= len(written) - 1


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
