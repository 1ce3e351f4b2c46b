from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from influx_lake_tests.unit.rollups import big_rollup


def figures(folder: Path, rows: int) -> dict[str, float]:
    """What a process of its own says of rolling up a day of so many rows, with a memory_limit of 128 MB."""
    folder.mkdir()
    command = [sys.executable, big_rollup.__file__, str(folder), str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_does_not_depend_on_the_rows_of_a_window(tmp_path: Path) -> None:
    small, large = (figures(tmp_path / str(rows), rows) for rows in (2_000_000, 10_000_000))

    assert large["rows"] == 1_474_560
    # The rows themselves are 400 MB more; what allocators keep differs from run to run.
    assert large["peak_mb"] < small["peak_mb"] + 128
    # The limit, and about as much again for what is read, and for what is written.
    assert large["peak_mb"] < large["before_mb"] + 3 * 128
