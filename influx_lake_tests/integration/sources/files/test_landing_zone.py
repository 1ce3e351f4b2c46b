"""Landing zones from folders to tables, by the command line, read back by DuckDB."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from influx_lake.cli.entry import run

LAKE = """\
sources:
  default: {{type: landing_zone, path: "./z/year={{year}}/month={{month}}/day={{day}}", database: telemetry{more}}}
catalog: {{type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}}
defaults: {{partition: {{start: 2025-06-01}}, lag: 0s}}
measurements: {{cpu: {{}}}}
"""
JUNE = 1748736000
BOUNDS = ("--start", "2025-06-01", "--end", "2025-06-04")


def land(folder: Path, path: str, *points: tuple[int, Any]) -> None:
    file = folder / "z" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    records = [{"name": "cpu", "tags": {"host": "a"}, "fields": {"v": v}, "timestamp": time} for time, v in points]
    file.write_text("\n".join(map(json.dumps, records)))


def lake(folder: Path, more: str = "") -> Path:
    config = folder / "lake.yaml"
    config.write_text(LAKE.format(more=more))
    return config


def held(folder: Path) -> list[tuple[int, float]]:
    files = f"{folder}/warehouse/telemetry/cpu/data/**/*.parquet"
    query = f"SELECT epoch(time)::BIGINT, v FROM read_parquet('{files}') ORDER BY 1"
    found: list[tuple[int, float]] = duckdb.sql(query).fetchall()
    return found


def test_unpadded_folders_a_gap_and_a_value_that_landed_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    land(tmp_path, "year=2025/month=6/day=1/a.json", (JUNE, 1.5))
    land(tmp_path, "year=2025/month=6/day=1/b.json", (JUNE, 2))
    land(tmp_path, "year=2025/month=6/day=3/sub/a.json", (JUNE + 2 * 86_400, 3.5))
    config = lake(tmp_path)
    assert run(["replicate", "--all", *BOUNDS, "-c", str(config)]) == 0, capsys.readouterr().err
    assert run(["verify", *BOUNDS, "-c", str(config)]) == 0
    assert "3 windows compared, all equal" in capsys.readouterr().out
    assert held(tmp_path) == [(JUNE, 2.0), (JUNE + 2 * 86_400, 3.5)]


def test_folders_that_say_no_time_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    land(tmp_path, "year=2025/month=June/day=1/a.json", (JUNE, 1.5))
    config = lake(tmp_path, ", columns: {cpu: {tags: [host], fields: {v: float}}}")
    for command in (["replicate", "--all", *BOUNDS], ["verify", *BOUNDS], ["check"]):
        assert run([*command, "-c", str(config)]) == 1
        captured = capsys.readouterr()
        said = " ".join(f"{captured.out} {captured.err}".split())
        assert "'month=June' is not like 'month=06'" in said
        assert "year=2025/month=06/day=01" in said


def test_check_names_the_time_that_was_found_and_a_wrong_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    land(tmp_path, "year=2025/month=06/day=01/a.json", (JUNE, 1.5), (JUNE + 86_400 + 7200, 2.5))
    config = lake(tmp_path)
    assert run(["check", "-c", str(config), "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    times, remark = (each for each in checks if each["name"] == "files")
    assert times["detail"] == "points from 2025-06-01T00:00:00Z to 2025-06-02T02:00:00Z"
    assert remark["warning"]
    assert "1 point of 1 file has other times than their folders say, up to 2h after it" in remark["detail"]
    assert run(["check", "-c", str(lake(tmp_path, ", timestamp_units: ms"))]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "✗ measurement cpu: all points that were found lie before partition.start, 2025-06-01T00:00:00Z" in said
    assert "set `timestamp_units: s` of the source" in said


COLUMNS = ", columns: {cpu: {tags: [host], fields: {v: float}}}, late: 0s, early: 0s"


def three_days(folder: Path) -> Path:
    for number in range(3):
        land(folder, f"year=2025/month=06/day=0{number + 1}/a.json", (JUNE + number * 86_400, number))
    config = lake(folder, COLUMNS)
    assert run(["replicate", "--all", *BOUNDS, "-c", str(config)]) == 0
    return config


def verified(config: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["verify", *options, *BOUNDS, "-c", str(config), "--json"]) == 1
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_damaged_file_keeps_no_other_window_from_being_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = three_days(tmp_path)
    (tmp_path / "z/year=2025/month=06/day=02/a.json").write_text("what is this\n")
    land(tmp_path, "year=2025/month=06/day=03/b.json", (JUNE + 2 * 86_400 + 60, 7))
    found = verified(config, capsys)
    [cpu] = found["measurements"]
    assert (cpu["windows"], cpu["windows_failed"], cpu["equal"], found["equal"]) == (2, 1, False, False)
    assert [each["window"] for each in cpu["differing"]] == ["2025-06-03T00:00:00Z/2025-06-04T00:00:00Z"]
    [failure] = found["failures"]
    assert (failure["measurement"], failure["window"]) == ("cpu", "2025-06-02T00:00:00Z/2025-06-03T00:00:00Z")
    assert run(["verify", *BOUNDS, "-c", str(config)]) == 1
    captured = capsys.readouterr()
    assert "1 window could not be compared" in captured.err
    assert "2 windows compared, 1 differ" in captured.out


def test_a_file_of_the_lake_that_is_gone_keeps_no_other_profile_from_being_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = three_days(tmp_path)
    data = sorted((tmp_path / "warehouse/telemetry/cpu/data").rglob("*.parquet"), key=lambda file: str(file.parent))
    data[0].unlink()
    found = verified(config, capsys, "--profile")
    [cpu], [failure] = found["measurements"], found["failures"]
    assert (cpu["windows"], cpu["windows_failed"], cpu["differing"]) == (2, 1, [])
    assert failure["window"] is not None


def test_where_every_window_fails_it_is_told_of_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = three_days(tmp_path)
    for file in (tmp_path / "z").rglob("*.json"):
        file.write_text("what is this\n")
    assert "measurements" not in verified(config, capsys)


def test_nobody_else_can_read_what_waits_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    land(tmp_path, "year=2025/month=06/day=01/a.json", (JUNE, 1.5))
    (tmp_path / "z/year=2025/month=06/day=01/b.json").write_text("what is this\n")
    former = os.umask(0)
    try:
        config = lake(tmp_path, ", max_bad_lines: 5, staging: ./elsewhere")
        assert run(["replicate", "--all", *BOUNDS, "-c", str(config)]) == 0, capsys.readouterr().err
    finally:
        os.umask(former)
    kept = list((tmp_path / "elsewhere").rglob("*"))
    assert {each.name for each in kept} >= {"bad_lines", "unit.json", "cells.arrow"}
    assert [each for each in kept if each.stat().st_mode & 0o077] == []
