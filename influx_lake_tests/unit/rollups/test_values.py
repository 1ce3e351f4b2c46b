"""What a roll-up holds, against the same computed in plain Python."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.measurements.rollups import Aggregate
from influx_lake.errors import ConfigurationError, DataRefused, SchemaConflict, WindowNotLoaded
from influx_lake_tests.unit.rollups.points import (
    SCHEMA,
    START,
    Row,
    day,
    expected,
    held,
    hour_of,
    load,
    rolled,
    rollup,
    same,
)

ALL = [*map(str, Aggregate), "p95", "p50", "p0.1", "p99.9"]
ANY_TYPE = ["min", "max", "count", "first", "last"]


def some_rows(count: int = 3000, seed: int = 1) -> list[Row]:
    """Rows of a day: several at one time, tags and values that are missing."""
    chance = random.Random(seed)

    def maybe(value: Any) -> Any:
        return value if chance.random() > 0.2 else None

    return [
        {
            "time": START + timedelta(seconds=chance.randrange(0, 86_400, 30)),
            "host": maybe(f"host{chance.randrange(3)}"),
            "region": maybe(f"region{chance.randrange(2)}"),
            "usage": maybe(chance.gauss(50, 20)),
            "count": maybe(chance.randrange(-(10**12), 10**12)),
            "bytes": maybe(Decimal(chance.randrange(2**64))),
            "up": maybe(chance.random() > 0.5),
            "state": maybe(chance.choice(["ok", "ä", "", "zz"])),
        }
        for _ in range(count)
    ]


def test_every_function_of_every_type(catalog: Catalog) -> None:
    rows = some_rows()
    load(catalog, rows)
    fields = {"usage": ALL, "count": ALL, "bytes": ALL, "up": ANY_TYPE, "state": ANY_TYPE}
    hourly = rollup(fields=fields)

    result = rolled(catalog, hourly)

    assert same(held(catalog, hourly), expected(rows, hour_of, fields, by=("host", "region")))
    assert (result.points, result.rows) == (3000, len(held(catalog, hourly)))


@pytest.mark.parametrize("by", [(), ("region",), ("region", "state")])
def test_by_some_columns(catalog: Catalog, by: tuple[str, ...]) -> None:
    rows = some_rows()
    load(catalog, rows)
    fields = {"usage": ["mean", "p95"], "count": ["sum", "last"]}
    hourly = rollup(fields=fields, by=by)

    rolled(catalog, hourly)

    assert same(held(catalog, hourly, by), expected(rows, hour_of, fields, by))


def test_functions_are_of_every_number_that_is_not_named(catalog: Catalog) -> None:
    load(catalog, some_rows(10))
    hourly = rollup(functions=["mean", "max"], fields={"state": ["last"], "count": ["sum"]})

    rolled(catalog, hourly)

    names = [field.name for field in catalog.load_table(hourly.identifier).schema().fields]
    assert names == [
        "time", "host", "region", "usage_mean", "usage_max", "count_sum", "bytes_mean", "bytes_max", "state_last",
    ]  # fmt: skip


def test_types_hold_every_result(catalog: Catalog) -> None:
    load(catalog, some_rows(10))
    functions = ["mean", "min", "max", "count", "sum", "p95"]
    hourly = rollup(functions=functions, fields={"up": ["first"], "state": ["min"]})

    rolled(catalog, hourly)

    types = {field.name: str(field.field_type) for field in catalog.load_table(hourly.identifier).schema().fields}
    expected_types = {
        "usage": ("double", "double", "double", "long", "double", "double"),
        "count": ("double", "long", "long", "long", "long", "double"),
        "bytes": ("double", "decimal(20, 0)", "decimal(20, 0)", "long", "decimal(38, 0)", "double"),
    }
    assert types == {
        "time": "timestamptz",
        "host": "string",
        "region": "string",
        **{
            f"{name}_{function}": kind
            for name, kinds in expected_types.items()
            for function, kind in zip(functions, kinds, strict=True)
        },
        "up_first": "boolean",
        "state_min": "string",
    }


def row(seconds: float = 0, **values: Any) -> Row:
    return {**dict.fromkeys(SCHEMA.names), "host": "a", "time": START + timedelta(seconds=seconds), **values}


def test_of_values_at_one_time_first_takes_the_smallest_and_last_the_largest(catalog: Catalog) -> None:
    load(catalog, [row(1, state="b"), row(1, state="a"), row(0), row(9, state="x"), row(9, state="y"), row(9)])
    hourly = rollup(fields={"state": ["first", "last"]})

    rolled(catalog, hourly)

    [found] = held(catalog, hourly)
    assert (found["state_first"], found["state_last"]) == ("a", "y")


def test_times_finer_than_a_microsecond_decide_which_is_first(catalog: Catalog) -> None:
    schema = SCHEMA.append(pa.field("time_ns", pa.int64()))
    at = int(START.timestamp()) * 10**9
    load(
        catalog,
        [row(1, state="old"), row(0, state="late", time_ns=at + 900), row(0, state="early", time_ns=at + 100)],
        schema=schema,
    )
    hourly = rollup(functions=["max"], fields={"state": ["first", "last"]})

    rolled(catalog, hourly)

    [found] = held(catalog, hourly)
    # The row without whole time lies a second later.
    assert (found["state_first"], found["state_last"]) == ("early", "old")
    assert "time_ns_max" not in found


def test_nan_is_larger_than_every_value(catalog: Catalog) -> None:
    nan, infinity = float("nan"), float("inf")
    load(catalog, [row(usage=1.0), row(1, usage=nan), row(2, usage=-infinity)])
    hourly = rollup(fields={"usage": ["min", "max", "count", "mean"]})

    rolled(catalog, hourly)

    [found] = held(catalog, hourly)
    assert (found["usage_min"], found["usage_count"]) == (-infinity, 3)
    assert str(found["usage_max"]) == str(found["usage_mean"]) == "nan"


def test_a_sum_that_does_not_fit_is_refused(catalog: Catalog) -> None:
    load(catalog, [row(count=2**63 - 1), row(1, count=1)])

    with pytest.raises(DataRefused, match=r"a sum of the roll-up r \(count_sum\) is larger than its column can hold"):
        rolled(catalog, rollup(fields={"count": ["sum"]}))

    assert not catalog.table_exists(("telemetry", "cpu_r")) or held(catalog, rollup()) == []


def test_names_that_differ_in_case_are_two_columns(catalog: Catalog) -> None:
    schema = pa.schema([pa.field("time", pa.timestamp("ns"), nullable=False), ("a b", pa.int64()), ("A B", pa.int64())])
    load(catalog, [{"time": START, "a b": 1, "A B": 2}], schema=schema, tags=())
    hourly = rollup(functions=["sum"])

    rolled(catalog, hourly)

    assert held(catalog, hourly, by=()) == [{"time": START, "a b_sum": 1, "A B_sum": 2}]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fields": {"usag": ["mean"]}}, ConfigurationError, r"no column usag \(did you mean usage\?\)"),
        ({"by": ("hosts",), "functions": ["mean"]}, ConfigurationError, r"no column hosts \(did you mean host\?\)"),
        (
            {"fields": {"state": ["p95"], "up": ["sum"]}},
            SchemaConflict,
            "sum needs numbers, and up is a bool; p95 needs",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused(
    catalog: Catalog, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    load(catalog, some_rows(10))

    with pytest.raises(error, match=message):
        rolled(catalog, rollup(**options))


def test_two_columns_of_one_name_are_refused(catalog: Catalog) -> None:
    schema = pa.schema(
        [pa.field("time", pa.timestamp("ns"), nullable=False), ("a_max", pa.string()), ("a", pa.int64())]
    )
    load(catalog, [{"time": START, "a_max": "x", "a": 2}], schema=schema, tags=("a_max",))

    with pytest.raises(ConfigurationError, match="would have two columns a_max"):
        rolled(catalog, rollup(functions=["max"]))


def test_a_window_that_was_not_loaded_is_refused(catalog: Catalog) -> None:
    load(catalog, some_rows(10))

    with pytest.raises(WindowNotLoaded, match=r"window 2026-01-02.* telemetry\.cpu holds nothing of the window"):
        rolled(catalog, rollup(functions=["mean"]), day(1))


def test_a_table_that_does_not_tell_its_tags_needs_by(catalog: Catalog) -> None:
    load(catalog, some_rows(10), tags=None)

    with pytest.raises(ConfigurationError, match="does not record which of its columns are tags"):
        rolled(catalog, rollup(functions=["mean"]))
    assert rolled(catalog, rollup(functions=["mean"], by=("host",))).rows


def test_columns_that_others_renamed_in_either_table(catalog: Catalog) -> None:
    rows = some_rows(300)
    load(catalog, rows)
    hourly = rollup(fields={"usage": ALL})
    for identifier, names in (
        (("telemetry", "cpu"), {"time": "ts", "host": "hostname", "usage": "u"}),
        (("telemetry", "cpu_r"), {"time": "bucket", "usage_mean": "mean"}),
    ):
        rolled(catalog, hourly)
        for name, other in names.items():
            with catalog.load_table(identifier).update_schema() as update:
                update.rename_column(name, other)
    rolled(catalog, hourly)
    assert same(held(catalog, hourly), expected(rows, hour_of, {"usage": ALL}, by=("host", "region")))
    assert "mean" in catalog.load_table(("telemetry", "cpu_r")).scan().to_arrow().column_names
