"""Restores over bad networks, by processes that are killed: equal, and dead letters exactly the refused points."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from influx_lake.sandbox import Sandbox
from influx_lake_tests.integration.restore.restored_lake import (
    FIRST_DAY_NS,
    VERSIONS,
    command,
    letters,
    mixed_lines,
    target,
    told,
    write_lake,
)
from testbed.faulty_proxy import FaultyProxy
from testbed.waiting import wait_until

_WRITTEN_AT_ONCE = 20_000


def _case(version: str, points: int, kills: int, mark: pytest.MarkDecorator) -> object:
    marks = [mark] if version == "influxdb3" or mark is pytest.mark.long else [pytest.mark.servers, mark]
    return pytest.param(version, points, kills, marks=marks, id=f"{version}-{points}")


def _killed_amid_writes(process: subprocess.Popen[str], proxy: FaultyProxy, writes: int) -> None:
    """Kill a restore after some writes more, or let it end."""
    until = proxy.writes + writes
    wait_until(lambda: proxy.writes >= until or process.poll() is not None, "the restore writes", seconds=300)
    process.kill()
    process.communicate()


@pytest.mark.timeout(3_000)
@pytest.mark.parametrize(
    ("version", "points", "kills"),
    [
        *(_case(version, 15_000, 2, pytest.mark.slow) for version in VERSIONS),
        *(_case(version, 1_000_000, 12, pytest.mark.long) for version in VERSIONS),
    ],
)
def test_a_bad_network_and_kills(tmp_path: Path, version: str, points: int, kills: int) -> None:
    chance = random.Random(points)
    with Sandbox() as box, target(version, tmp_path, seed=3, share=0.3) as spare:
        write_lake(tmp_path, box, spare)
        refused = 0
        lines: list[str] = []
        for line, is_odd in mixed_lines(points, seed=1, unsigned=version != "influxdb1", odd_share=0.003):
            refused += is_odd
            lines.append(line)
            if len(lines) == _WRITTEN_AT_ONCE:
                box.write("telemetry", "\n".join(lines))
                lines = []
        box.write("telemetry", "\n".join(lines) or f"other f=1 {FIRST_DAY_NS}")
        spare.write(f"cpu,host=before odd\\,\\ field=true {FIRST_DAY_NS - 1}")
        loaded = told(command(tmp_path, "replicate", "cpu", "--start", "2026-01-01", "--end", "2026-01-03"))
        assert loaded["rows"] == points
        arguments = ("restore", "cpu", "--to", "spare", "--batch-size", f"{max(20_000, points // 20)}")
        for _ in range(kills):
            _killed_amid_writes(command(tmp_path, *arguments), spare.proxy, chance.randrange(1, 40))
        found = told(command(tmp_path, *arguments))
        assert found["equal"] is True, found
        assert found["refused"] == refused > 0
        dead = letters(found["dead_letters"])
        assert len(dead) == len({*dead}) == refused
        assert all("odd\\,\\ field=1.5" in line for line in dead)
        assert {*spare.proxy.met} == {*spare.proxy.FAULTS}
