"""Which requests are worked on one after the other: those that write to the same table, however they call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from influx_lake.config import Lake, load_lake
from influx_lake.config.values.windows import parse_moment
from influx_lake.replication.requests.request import Kind, Request, Runner, State
from influx_lake.serve.work.written_tables import Tables

LOAD, REPLICATE = Kind.LOAD, Kind.REPLICATE


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    (tmp_path / "lake.yaml").write_text(
        'sources: {default: {host: "http://127.0.0.1:1", database: metrics}}\n'
        'catalog: {type: sql, uri: "sqlite:///catalog.db"}\nmeasurements: {many: {}, other: {table: Others}}\n'
    )
    return load_lake(tmp_path / "lake.yaml")


def names(lake: Lake, kind: Kind, body: dict[str, Any], runner: Runner = Runner.SERVICE) -> frozenset[str]:
    return Tables(lake).of(Request("0" * 32, kind, runner, body, State.WAITING, parse_moment("2026-01-01")))


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (LOAD, {"measurements": ["many"]}, {"metrics.many"}),
        (LOAD, {"measurements": ["metrics.many", "many"]}, {"metrics.many"}),
        (LOAD, {"measurements": ["metrics.Others"]}, {"metrics.others"}),
        (LOAD, {"measurements": ["*"]}, {"*"}),
        (LOAD, {"measurements": ["gone"]}, {"gone"}),
        (REPLICATE, {"measurement": "many", "target_table": "metrics.many"}, {"metrics.many"}),
        (REPLICATE, {"measurement": "cpu", "target_table": "plant.Both"}, {"plant.both"}),
        (REPLICATE, {"measurement": "mem", "target_table": "plant.both"}, {"plant.both"}),
        (Kind.VERIFY, {"measurements": ["many"]}, {"0" * 32}),
    ],
)
def test_a_table_has_one_name(lake: Lake, kind: Kind, body: dict[str, Any], expected: set[str]) -> None:
    assert names(lake, kind, body) == expected


def test_what_runs_of_dagster_load_is_theirs_to_order(lake: Lake) -> None:
    assert names(lake, LOAD, {"measurements": ["many"]}, Runner.DAGSTER) == {"0" * 32}
