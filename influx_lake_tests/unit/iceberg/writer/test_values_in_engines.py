"""Values and names at the edges of what a table can hold, as pyiceberg, Polars and DuckDB read them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake_tests.integration.typed_lake import Row, through_duckdb, through_polars
from influx_lake_tests.unit.iceberg.tables import day, replace, table

Engine = Callable[[Table], list[Row]]


def through_pyiceberg(of: Table) -> list[Row]:
    rows: list[Row] = of.scan().to_arrow().to_pylist()
    return rows


engines = pytest.mark.parametrize("engine", [through_pyiceberg, through_polars, through_duckdb])


def store(catalog: Catalog, columns: dict[str, pa.Array]) -> None:
    count = len(next(iter(columns.values())))
    times = pa.array([(day(0).start_us + i) * 1000 for i in range(count)], pa.timestamp("ns"))
    replace(catalog, day(0), pa.record_batch({"time": times, **columns}))


def column(engine: Engine, of: Table, name: str) -> list[Any]:
    return [row[name] for row in sorted(engine(of), key=lambda row: str(row["time"]))]


@engines
def test_floats_that_line_protocol_cannot_write(catalog: Catalog, engine: Engine) -> None:
    values = [math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, None]
    store(catalog, {"value": pa.array(values, pa.float64())})
    assert [repr(value) for value in column(engine, table(catalog), "value")] == [repr(value) for value in values]


@pytest.mark.slow
@engines
def test_texts(catalog: Catalog, engine: Engine) -> None:
    values = ["", None, "x" * 1_000_000, "żółw\U0001f422\0\n\r\t\"'\\", "\u202eabc", "é"]
    tags = pa.array(values).dictionary_encode()
    store(catalog, {"text": pa.array(values), "tag": tags})
    for name in ("text", "tag"):
        assert column(engine, table(catalog), name) == values


@pytest.mark.slow
@engines
def test_five_hundred_columns(catalog: Catalog, engine: Engine) -> None:
    store(catalog, {f"c{i}": pa.array([float(i), None]) for i in range(500)})
    first, second = sorted(engine(table(catalog)), key=lambda row: str(row["time"]))
    assert [first[f"c{i}"] for i in range(500)] == [float(i) for i in range(500)]
    assert {second[f"c{i}"] for i in range(500)} == {None}


@engines
def test_names_that_only_quotes_can_hold(catalog: Catalog, engine: Engine) -> None:
    names = ["a.b", "a b", 'o\'brien "x"', "ünï", "1st", "select", "a/b", "{x}", "%"]
    store(catalog, {name: pa.array([float(i)]) for i, name in enumerate(names)})
    (row,) = engine(table(catalog))
    assert {name: row[name] for name in names} == {name: float(i) for i, name in enumerate(names)}


@engines
def test_twins_in_upper_and_lower_case(catalog: Catalog, engine: Engine) -> None:
    store(catalog, {"Host": pa.array(["upper"]), "host": pa.array(["lower"])})
    (row,) = engine(table(catalog))
    # DuckDB's names do not differ in case: it calls the second one host_1.
    assert [value for name, value in row.items() if name != "time"] == ["upper", "lower"]


def test_a_column_that_is_all_null_keeps_its_type(catalog: Catalog) -> None:
    store(catalog, {"integer": pa.array([None], pa.int64()), "unsigned": pa.array([None], pa.uint64())})
    schema = table(catalog).schema()
    assert [str(schema.find_field(name).field_type) for name in ("integer", "unsigned")] == ["long", "decimal(20, 0)"]


def test_no_file_says_unsigned_or_dictionary(catalog: Catalog) -> None:
    store(
        catalog,
        {
            "tag": pa.array(["a"]).dictionary_encode(),
            "unsigned": pa.array([1], pa.uint64()),
            "small": pa.array([1], pa.uint32()),
            "smallest": pa.array([1], pa.uint8()),
        },
    )
    (task,) = table(catalog).scan().plan_files()
    schema = pq.read_schema(task.file.file_path.removeprefix("file://"))
    kinds = {field.name: str(field.type) for field in schema}
    assert kinds == {
        "time": "timestamp[us, tz=UTC]",
        "tag": "string",
        "unsigned": "decimal128(20, 0)",
        "small": "int64",
        "smallest": "int32",
    }
