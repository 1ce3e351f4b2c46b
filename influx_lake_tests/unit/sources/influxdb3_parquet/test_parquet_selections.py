"""Some columns and rows of persisted files: what plain Python makes of all of them, and no other column is read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from influx_lake.config.connections import InfluxDB3ParquetConfig
from influx_lake.config.values.conditions import All, Compared, Operator
from influx_lake.config.values.windows import Window
from influx_lake.sources.influxdb3_parquet import InfluxDB3ParquetSource
from influx_lake_tests.unit.sources.influxdb3_parquet.persisted_files import Node, spoil
from testbed.selections import FIELDS, MEASUREMENT, TAGS, UNSIGNED, Asked, check, points, read, rows_of, selections

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = Window(START, START + timedelta(hours=1))
NS = HOUR.start_us * 1000
KINDS = {**FIELDS, **UNSIGNED}
COLUMNS = {"time": "timestamp", **dict.fromkeys(TAGS, "tag")} | {
    name: f"field::{kind}" for name, (kind, _) in KINDS.items()
}


def source(node: Node) -> InfluxDB3ParquetSource:
    given = {"location": str(node.folder), "database": "telemetry", "index": node.folder.parent / "index"}
    return InfluxDB3ParquetSource(InfluxDB3ParquetConfig.model_validate(given))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InfluxDB3ParquetSource, list[dict[str, Any]]]]:
    """Files alone and files that overlap, of which some lack columns."""
    node, chance = Node(tmp_path_factory.mktemp("node")), random.Random(3)
    found = points(NS, 40 * 10**9, KINDS)
    for sequence in (1, 2, 3):
        # The third chunk of ten minutes is in one file.
        some = [each for each in found if sequence == 1 or (chance.random() < 0.6 and each.time - NS < 1200 * 10**9)]
        again = [
            each.row | {name: chance.choice(values) for name, (_, values) in KINDS.items() if chance.random() < 0.3}
            for each in some
        ]
        columns = {name: kind for name, kind in COLUMNS.items() if sequence != 2 or name not in ("state", "select")}
        if sequence == 2:
            again = [row for row in again if "select" not in row]
        node.persist(again, sequence, name=MEASUREMENT, columns=columns)
    opened = source(node)
    yield opened, rows_of(opened, MEASUREMENT, HOUR)
    opened.close()


def check_any(archive: tuple[InfluxDB3ParquetSource, list[dict[str, Any]]], asked: Asked) -> None:
    opened, rows = archive
    halves = [Window(START, START + timedelta(minutes=15)), Window(START + timedelta(minutes=15), HOUR.end)]
    taken = asked.where is not None and opened.takes(opened.schema(MEASUREMENT), asked.where)
    assert check(opened, asked, rows, HOUR, *halves) is taken


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=selections(KINDS))
def test_rows_and_counts(archive: tuple[InfluxDB3ParquetSource, list[dict[str, Any]]], asked: Asked) -> None:
    check_any(archive, asked)


@pytest.mark.slow
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=selections(KINDS))
def test_many_selections(archive: tuple[InfluxDB3ParquetSource, list[dict[str, Any]]], asked: Asked) -> None:
    check_any(archive, asked)


def test_a_condition_does_not_bring_back_a_value_that_was_written_over(tmp_path: Path) -> None:
    node = Node(tmp_path / "node")
    node.persist([{"time": NS, "host": "a", "usage": 1.0, "count": 5}, {"time": NS + 1, "host": "b", "usage": 9.0}], 1)
    node.persist([{"time": NS, "host": "a", "usage": 2.0}, {"time": NS + 1, "host": "b", "usage": 9.0}], 2)
    opened = source(node)
    declared = opened.schema("cpu")
    for value, rows in ((1.0, 0), (2.0, 1)):
        one = declared.select(["count"], Compared("usage", Operator.EQUAL, value))
        assert len(read(opened, one, HOUR)) == rows
        both = All((Compared("host", Operator.EQUAL, "a"), Compared("usage", Operator.EQUAL, value)))
        assert len(read(opened, declared.select(["usage"], both), HOUR)) == rows


@pytest.mark.parametrize("files", [1, 2])
def test_a_column_that_is_left_out_is_not_read(tmp_path: Path, files: int) -> None:
    node = Node(tmp_path / "node")
    for sequence in range(files):
        node.persist([{"time": NS + n, "host": f"h{n}", "usage": n / 7, "count": n} for n in range(50)], sequence)
    declared = source(node).schema("cpu")
    for file in node.folder.rglob("*.parquet"):
        spoil(file, "usage")
        if files == 1:
            spoil(file, "host")
    assert len(read(source(node), declared.select(["count"]), HOUR)) == 50
