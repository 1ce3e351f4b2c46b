"""`influx-lake replicate` where a service is to drive Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from influx_lake.cli.entry import run

LAKE = """\
sources:
  own: {type: line_protocol, path: a.lp, database: d}
  sparked: {type: line_protocol, path: a.lp, database: d, engine: spark}
catalog: {type: sql, uri: "sqlite:///./catalog.db", warehouse: ./warehouse}
defaults: {partition: {start: 2026-01-01}, lag: 0s}
spark: {run_on: {glue: {job_name: lake, messages: "s3://b/m"}}}
measurements:
  cpu: {source: own}
  mem: {source: sparked}
"""
DAY = ("--start", "2026-01-02", "--end", "2026-01-03")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    (tmp_path / "a.lp").write_text("cpu v=1 1767312000000000000\nmem v=1 1767312000000000000\n")
    config = tmp_path / "lake.yaml"
    config.write_text(LAKE)
    return config


def test_nothing_is_loaded_where_a_service_drives_spark(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replicate", "--all", *DAY, "-c", str(lake)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "driven by Glue" in said
    assert "dagster asset materialize" in said
    assert not (lake.parent / "warehouse").exists()


def test_what_spark_does_not_load_is_loaded(lake: Path) -> None:
    assert run(["replicate", "cpu", *DAY, "-c", str(lake)]) == 0
    assert run(["replicate", "mem", "--source", "own", *DAY, "-c", str(lake)]) == 0


def test_the_windows_are_shown_all_the_same(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replicate", "--all", "--dry-run", *DAY, "-c", str(lake)]) == 0
    assert "mem" in capsys.readouterr().out
