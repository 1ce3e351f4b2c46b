"""A range of partitions from Dagster's own command line, which asks for backfills of a single run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.cli_lake import LAKE, CliLake


@pytest.mark.slow
def test_a_range_is_materialised_by_dagsters_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox() as box:
        lake = CliLake(tmp_path, box, capsys)
        lake.write_config(LAKE.replace("cpu: {{}}", "cpu: {{windows_per_run: all}}"))
        lake.fill("cpu", range(5))
        home = tmp_path / "home"
        home.mkdir()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "dagster", "asset", "materialize", "-m", "influx_lake.definitions"),
                *("--select", "telemetry/cpu", "--partition-range", "2026-01-02...2026-01-04"),
            ],
            env={**os.environ, "INFLUX_LAKE_CONFIG": str(lake.config), "DAGSTER_HOME": str(home)},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert lake.rows() == 300
        assert lake.tell("verify", "cpu", "--start", "2026-01-02", "--end", "2026-01-05").code == 0
