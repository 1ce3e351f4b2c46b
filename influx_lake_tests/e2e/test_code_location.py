"""The repository as Dagster's own tools see it, with no server running and no token written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from influx_lake_tests.e2e.dagster_site import REPOSITORY

BIN = Path(sys.executable).parent


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["dagster", "definitions", "validate"], ["dg", "check", "defs"]],
    ids=" ".join,
)
def test_the_clone_is_valid_as_it_is(command: list[str], tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    ours = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "influx_lake", clone / "influx_lake", ignore=ours)
    for name in ("lake.yaml", "demo_definitions.py", "pyproject.toml", "workspace.yaml", "dagster.yaml"):
        shutil.copy(REPOSITORY / name, clone)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("INFLUX", "DAGSTER"))}

    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=clone,
        env={**variables, "DAGSTER_HOME": str(clone), "PYTHONPATH": str(clone), "VIRTUAL_ENV": str(BIN.parent)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
