"""Processes that tail and seal one window at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pytest

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake_tests.unit.iceberg.tables import day, held, table


@pytest.mark.slow
def test_two_tails_and_a_seal_of_one_window(tmp_path: Path) -> None:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"}
    catalog = open_catalog("lake", properties)
    worker = Path(__file__).with_name("tailing_worker.py")
    processes = [
        subprocess.Popen(
            [sys.executable, str(worker), json.dumps(properties), *arguments],
            cwd=Path(__file__).parents[3],
            env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for arguments in (("tail", "12"), ("tail", "12"), ("seal", "3"))
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = [process.communicate("go\n", timeout=120)[0] for process in processes]
    assert told == ["done\n"] * 3
    times = held(catalog, [day(0)])["time"]
    assert (len(times), pc.count_distinct(times).as_py()) == (86_400, 86_400)
    assert table_state(table(catalog)).coverage == Coverage((day(0),))
