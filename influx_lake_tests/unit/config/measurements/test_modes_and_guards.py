"""How rows get into the table and what stops them, as lake.yaml says it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config import ConfigurationProblems, OnShrink, Tolerance, WriteMode, load_lake
from influx_lake.config.measurements.guards import parse_tolerance
from influx_lake_tests.unit.config.conftest import LakeWriter

SOURCES = "sources: {default: {host: http://127.0.0.1:8181, database: telemetry}}\n"


def test_options_reach_the_measurement(write_lake: LakeWriter) -> None:
    path = write_lake(
        SOURCES
        + """
defaults: {on_shrink: merge, shrink_tolerance: 0.5%, max_window_rows: 5000000}
measurements:
  cpu: {write: {mode: upsert, key: [host, region], merge_fields: true, commit_timeout: 90s}, adopt: true}
  mem: {write: {mode: append}}
  disk:
"""
    )
    cpu, mem, disk = load_lake(path).measurements
    assert (cpu.write.mode, cpu.write.key, cpu.write.merge_fields) == (WriteMode.UPSERT, ("host", "region"), True)
    assert (cpu.write.commit_timeout, cpu.adopt) == (timedelta(seconds=90), True)
    assert (mem.write.mode, mem.write.commit_timeout, mem.adopt) == (WriteMode.APPEND, timedelta(minutes=10), False)
    assert (disk.write.mode, disk.on_shrink, disk.max_window_rows) == (WriteMode.REPLACE, OnShrink.MERGE, 5_000_000)
    assert disk.shrink_tolerance == Tolerance(Decimal("0.5"), percent=True)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{write: {merge_fields: true}}", "merge_fields is for `mode: upsert`"),
        ("{write: {mode: append, key: [host]}}", "key is for `mode: upsert` and `on_shrink: merge`"),
        ("{write: {mode: upsert, key: [host, host]}}", r"lake.yaml:2.*key\[1\]: 'host' is named twice"),
        ("{write: {mode: upsert, key: [host, time]}}", "names `time`, which is part of every key"),
        ("{write: {mode: overwrite}}", "'overwrite' is not one of replace, append, upsert"),
        ("{shrink_tolerance: few}", "is not a tolerance: write a number of rows"),
        ("{shrink_tolerance: 101%}", "is not a tolerance"),
        ("{max_window_rows: 0}", "is less than 1"),
        ("{on_shrink: ignore}", "is not one of fail, merge, replace"),
    ],
)
def test_invalid_values_are_refused(entry: str, said: str, write_lake: LakeWriter) -> None:
    with pytest.raises(ConfigurationProblems, match=said):
        load_lake(write_lake(f"{SOURCES}measurements: {{cpu: {entry}}}\n"))


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.integers(0, 100))
def test_tolerances(missing: int, held: int, amount: int) -> None:
    assert parse_tolerance(str(amount)).allows(missing, held) == (missing <= amount)
    assert parse_tolerance(f"{amount}%").allows(missing, held) == (missing * 100 <= held * amount)
    assert parse_tolerance(str(parse_tolerance(f"{amount} %"))) == parse_tolerance(f"{amount}%")
