"""ClickHouse reads what was loaded, as the Iceberg schema says and with deletes applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from influx_lake.config.tables.file_options import Compression
from influx_lake_tests.integration.iceberg.engines.engine_cases import (
    CASES,
    Case,
    long_tables,
    other_options,
    packed,
    telling,
)
from influx_lake_tests.integration.typed_lake import Row, TypedLake

pytestmark = pytest.mark.servers

TYPES = {
    "long": "Int64",
    "int": "Int32",
    "double": "Float64",
    "float": "Float32",
    "string": "String",
    "boolean": "Bool",
}


def clickhouse_type(kind: str) -> str:
    """What ClickHouse calls an Iceberg type; only the time is never null."""
    times = {"timestamptz": "DateTime64(6, 'UTC')", "timestamp": "DateTime64(6)"}
    return times.get(kind) or f"Nullable({TYPES.get(kind, kind.title())})"


@pytest.fixture
def clickhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    chdb = pytest.importorskip("chdb", reason="ClickHouse is not installed: make engines")
    # It opens files below the working folder only.
    monkeypatch.chdir(tmp_path)
    connection = chdb.connect(":memory:")
    yield connection
    connection.close()


def answer(clickhouse: Any, query: str) -> list[Row]:
    rows: list[Row] = pa.ipc.open_file(clickhouse.query(query, "Arrow").bytes()).read_all().to_pylist()
    return rows


def function(lake: TypedLake, case: Case) -> str:
    table = lake.table(case.of)
    metadata = table.metadata_location.removeprefix(f"{table.location()}/")
    return f"icebergLocal('{table.location()}', settings iceberg_metadata_file_path = '{metadata}')"


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_clickhouse_finds_every_value(
    clickhouse: Any, typed_lake: TypedLake, make: Callable[[TypedLake], Case]
) -> None:
    case = make(typed_lake)
    described = answer(clickhouse, f"describe {function(typed_lake, case)}")
    assert typed_lake.types(case.of) == case.types
    expected = {name: clickhouse_type(kind) for name, kind in case.types.items()}
    assert {column["name"]: column["type"] for column in described} == expected
    assert telling(answer(clickhouse, f"from {function(typed_lake, case)}")) == telling(case.rows)


@pytest.mark.parametrize("codec", Compression)
def test_clickhouse_reads_every_codec(clickhouse: Any, typed_lake: TypedLake, codec: Compression) -> None:
    case = packed(typed_lake, codec)
    assert telling(answer(clickhouse, f"from {function(typed_lake, case)}")) == telling(case.rows)


def test_the_folder_alone_is_enough(clickhouse: Any, typed_lake: TypedLake) -> None:
    case = packed(typed_lake, Compression.ZSTD)
    typed_lake.load(case.of)
    location = typed_lake.table(case.of).location()
    assert telling(answer(clickhouse, f"from icebergLocal('{location}')")) == telling(case.rows)


@pytest.mark.parametrize(("zone", "hour"), [("UTC", "00"), ("Europe/Berlin", "01")])
def test_a_time_without_a_zone_is_shown_in_clickhouses_own(
    clickhouse: Any, typed_lake: TypedLake, zone: str, hour: str
) -> None:
    case = other_options(typed_lake)
    query = f"select toString(min(time)) as first from {function(typed_lake, case)}"
    (row,) = answer(clickhouse, f"{query} settings session_timezone = '{zone}'")
    assert row == {"first": f"2026-01-01 {hour}:00:00.000000"}


def test_clickhouse_reads_a_long_table(clickhouse: Any, typed_lake: TypedLake) -> None:
    of, expected = long_tables(typed_lake)
    columns = "measurement, tags, metric_name, metric_value, value_string"
    rows = answer(clickhouse, f"select {columns} from {function(typed_lake, Case(of, {}, []))}")
    names = ("measurement", "metric_name", "metric_value", "value_string")
    found = [(*(row[name] for name in names), dict(row["tags"])) for row in rows]
    wanted = [(name, metric, value, text, tags) for name, tags, metric, value, text in expected]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
    by_tag = f"select count() as n from {function(typed_lake, Case(of, {}, []))} where tags['Größe'] = 'x,y'"
    assert answer(clickhouse, by_tag) == [{"n": 4}]
