"""examples/dbt, run by dbt-duckdb and by Dagster: the models' rows, day by day, from the files of those days alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from influx_lake_tests.integration.queried_lake import FIRST, QueriedLake, only_days

pytestmark = [pytest.mark.servers, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
DBT = ROOT / ".venv-dbt" / "bin"
DAYS, HOURS = 4, 24
IN_DAGSTER = """\
import json
import sys

import dagster as dg
import definitions as project

models = project.partitioned_models
days = models.partitions_def.get_partition_keys()[:3]
made = dg.materialize([models], partition_key=sys.argv[1], resources={"dbt": project.DbtCliResource(project.project)})
event = made.asset_materializations_for_node("partitioned_models")[0]
graph = dg.Definitions.resolve_asset_graph(project.defs)
keys = {key.to_user_string(): sorted(each.to_user_string() for each in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()}
print("FOUND", json.dumps({"success": made.success, "days": days, "partition": event.partition, "parents": keys}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (DBT / "dbt").exists():
        pytest.skip("dbt is not installed: make dbt")
    folder = tmp_path_factory.mktemp("dbt")
    shutil.copytree(
        ROOT / "examples/dbt", folder / "project", ignore=shutil.ignore_patterns("target", "logs", "*.duckdb")
    )
    lake = QueriedLake(folder)
    hourly = {"hourly": {"every": "1h", "fields": {"usage_user": ["mean", "max"]}}}
    start = {"partition": {"start": "2026-01-01"}}
    lake.write({"cpu": {"rollups": hourly, **start}, "mem": start})
    times = [FIRST + timedelta(hours=hour) for hour in range(DAYS * HOURS)]
    values = [float(hour) for hour in range(DAYS * HOURS)]
    columns: dict[str, Any] = {"time": pa.array(times, pa.timestamp("us", "UTC")), "host": ["a"] * len(times)}
    cpu = pa.table({**columns, "usage_user_mean": values, "usage_user_max": values})
    mem = pa.table({**columns, "used_percent": [value / 2 for value in values]})
    for name, rows in (("cpu_hourly", cpu), ("mem", mem)):
        lake.table(("telemetry", name), rows.schema).append(rows)
    return folder


def ran(folder: Path, *command: str) -> str:
    environment = {
        **os.environ,
        "PATH": f"{DBT}:{os.environ['PATH']}",
        "INFLUX_LAKE_CONFIG": str(folder / "lake.yaml"),
        "DAGSTER_HOME": "",
        "DO_NOT_TRACK": "1",
    }
    project = folder / "project"
    result = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return result.stdout


def days_of(folder: Path) -> dict[str, tuple[float, float, float]]:
    with duckdb.connect(str(folder / "project/models.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute("SELECT day::DATE::VARCHAR, cpu_mean, cpu_max, mem_mean FROM host_days").fetchall()
    assert len({day for day, *_ in found}) == len(found)
    return {day: (mean, largest, used) for day, mean, largest, used in found}


def expected(day: int) -> tuple[float, float, float]:
    hours = range(day * HOURS, (day + 1) * HOURS)
    mean = sum(hours) / HOURS
    return mean, float(hours[-1]), mean / 2


def test_dbt_makes_the_days_that_are_requested(folder: Path) -> None:
    build = ["dbt", "build", "--event-time-start", "2026-01-01", "--event-time-end", "2026-01-03"]
    ran(folder, *build)
    assert days_of(folder) == {"2026-01-01": expected(0), "2026-01-02": expected(1)}


def test_dagster_makes_a_partition_from_the_files_of_its_day(folder: Path) -> None:
    only_days(QueriedLake(folder), {1})
    # The run before made this day, too: it is replaced.
    result = ran(folder, str(DBT / "python"), "-c", IN_DAGSTER, "2026-01-02")
    found = json.loads(next(line for line in result.splitlines() if line.startswith("FOUND ")).removeprefix("FOUND "))
    assert found["success"]
    assert found["partition"] == "2026-01-02"
    assert found["days"] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert found["parents"]["host_days"] == ["telemetry/cpu_hourly", "telemetry/mem"]
    assert found["parents"]["busy_days"] == ["host_days"]
    assert found["parents"]["telemetry/cpu_hourly"] == ["telemetry/cpu"]
    assert days_of(folder)["2026-01-02"] == expected(1)
