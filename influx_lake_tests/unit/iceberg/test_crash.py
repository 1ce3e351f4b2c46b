"""A process killed at any step leaves the table as it was, or done; the next run makes it right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake_tests.unit.iceberg.crashing_writer import STEPS
from influx_lake_tests.unit.iceberg.tables import day, held, replace, rows, table

DONE = {"after the catalog"}


@pytest.mark.parametrize("step", ["batch 0", "batch 3", *STEPS])
def test_killed(step: str, catalog: Catalog, lake_folder: Path) -> None:
    replace(catalog, day(0), rows(day(0), 700))
    replace(catalog, day(1), rows(day(1), 70))
    before = held(catalog)

    kill_at(step, lake_folder)

    after = held(catalog)
    if step in DONE:
        assert after.num_rows == 20_070
    else:
        assert after.select(before.column_names) == before
    commit = replace(catalog, day(0), rows(day(0), 900))
    assert commit.total_rows == 970
    assert held(catalog, [day(1)]).num_rows == 70
    listed = [task.file.file_path for task in table(catalog).scan().plan_files()]
    assert len(listed) == len(set(listed)) == 2


def kill_at(step: str, folder: Path) -> None:
    """Run the writer until it says that it reached the step, and kill it there."""
    script = Path(__file__).with_name("crashing_writer.py")
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, str(script), str(folder), step],
        cwd=root,
        env={"PYTHONPATH": str(root), "PATH": ""},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.kill()
    assert said == "here\n"
