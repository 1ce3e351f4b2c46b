"""Rows in the formats that programs read."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.cli.results.cells import plain, shown
from influx_lake.cli.results.format import Format
from influx_lake.cli.results.row_writer import python_values, write
from influx_lake.cli.results.times import as_numbers

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
COLUMNS: dict[str, tuple[pa.DataType, Any, Any]] = {
    "number": (pa.int64(), 2**63 - 1, 2**63 - 1),
    "whole": (pa.decimal128(20, 0), Decimal(2**64 - 1), str(2**64 - 1)),
    "sum": (pa.decimal128(38, 0), Decimal(10**30), 10**30),
    "exact": (pa.decimal128(10, 2), Decimal("1.50"), "1.50"),
    "odd": (pa.float64(), float("nan"), "nan"),
    "real": (pa.float64(), 0.1, 0.1),
    "yes": (pa.bool_(), True, True),
    "text": (pa.string(), 'a "quoted",\nline', 'a "quoted",\nline'),
    "time": (pa.timestamp("us", "UTC"), MOMENT, "2026-01-02T03:04:05.000006+00:00"),
    "day": (pa.date32(), date(2026, 1, 2), "2026-01-02"),
    "map": (pa.map_(pa.string(), pa.int64()), [("k", 1), ("n", None)], {"k": 1, "n": None}),
    "list": (pa.list_(pa.timestamp("us", "UTC")), [MOMENT, None], ["2026-01-02T03:04:05.000006+00:00", None]),
    "struct": (pa.struct({"a": pa.binary()}), {"a": b"\x01\xff"}, {"a": "01ff"}),
}
SCHEMA = pa.schema({name: kind for name, (kind, _, _) in COLUMNS.items()})
ROWS = pa.table({name: pa.array([value, None], kind) for name, (kind, value, _) in COLUMNS.items()})


def written(kind: Format, rows: pa.Table = ROWS) -> bytes:
    file = io.BytesIO()
    assert write(kind, rows.schema, rows.to_batches(max_chunksize=1), file) == len(rows)
    return file.getvalue() if not file.closed else b""


def test_json_is_an_array_of_rows_with_exact_values() -> None:
    first, second = json.loads(written(Format.JSON))
    assert first == {name: expected for name, (_, _, expected) in COLUMNS.items()}
    assert second == dict.fromkeys(COLUMNS)
    assert json.loads(written(Format.JSON, ROWS.slice(0, 0))) == []


def test_csv_has_a_value_for_each_type() -> None:
    header, first, second = csv.reader(io.StringIO(written(Format.CSV).decode()))
    row = dict(zip(header, first, strict=True))
    assert row["number"] == str(2**63 - 1)
    assert row["whole"] == str(2**64 - 1)
    assert row["exact"] == "1.50"
    assert row["text"] == 'a "quoted",\nline'
    assert datetime.fromisoformat(row["time"]) == MOMENT
    assert json.loads(row["map"]) == {"k": 1, "n": None}
    assert json.loads(row["struct"]) == {"a": "01ff"}
    assert second == [""] * len(COLUMNS)


def test_parquet_keeps_the_types() -> None:
    assert pq.read_table(io.BytesIO(written(Format.PARQUET))).schema == SCHEMA


@pytest.mark.parametrize("kind", [Format.JSON, Format.CSV, Format.PARQUET])
def test_columns_of_one_name_are_distinguished(kind: Format) -> None:
    rows = pa.Table.from_arrays([pa.array([each]) for each in (1, 2, 3)], ["a", "a", "a_1"])
    found = written(kind, rows)
    if kind is Format.JSON:
        assert json.loads(found) == [{"a": 1, "a_1": 2, "a_1_1": 3}]
    elif kind is Format.CSV:
        assert found.decode().splitlines()[0] == '"a","a_1","a_1_1"'
    else:
        assert pq.read_table(io.BytesIO(found)).column_names == ["a", "a_1", "a_1_1"]


def test_nanoseconds_are_reported() -> None:
    rows = pa.table({"at": pa.array([1_000_000_001], pa.timestamp("ns"))})
    assert json.loads(written(Format.JSON, rows)) == [{"at": "1970-01-01T00:00:01.000000001"}]


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (pa.date32(), 2**31 - 1, "infinity"),
        (pa.date32(), -(2**31) + 1, "-infinity"),
        (pa.date32(), 2932897, "+10000-01-01"),
        (pa.date32(), 13890172, "+40000-01-01"),
        (pa.date32(), -735233, "-0043-01-01"),
        (pa.timestamp("us"), 2**63 - 1, "infinity"),
        (pa.timestamp("s", "UTC"), 253402300800, "+10000-01-01T00:00:00+00:00"),
        (pa.list_(pa.timestamp("ns")), [1_000_000_001], ["1970-01-01T00:00:01.000000001"]),
        (pa.struct({"t": pa.time64("ns")}), {"t": 1}, {"t": "00:00:00.000000001"}),
        (pa.map_(pa.date32(), pa.time64("us")), [(0, 86_400_000_000)], {"1970-01-01": "24:00:00"}),
    ],
)
def test_times_that_python_has_none_of(kind: pa.DataType, value: Any, told: Any) -> None:
    rows = pa.table({"a": pa.array([value], as_numbers(kind)).cast(kind)})
    assert json.loads(written(Format.JSON, rows)) == [{"a": told}]
    [_, [cell]] = csv.reader(io.StringIO(written(Format.CSV, rows).decode()))
    assert cell == told or json.loads(cell) == told


@given(st.datetimes())
def test_times_are_those_of_python(moment: datetime) -> None:
    for kind, unit in (pa.timestamp("us"), moment), (pa.date32(), moment.date()), (pa.time64("us"), moment.time()):
        [number] = python_values(pa.array([unit], kind))
        assert plain(number, kind) == unit.isoformat()


def test_people_see_short_values() -> None:
    assert shown(None, pa.int64()) == ""
    assert shown(True, pa.bool_()) == "true"
    assert shown([("k", None), ("x", 1)], pa.map_(pa.string(), pa.int64())) == "k=, x=1"
    assert shown(["a"], pa.list_(pa.string())) == '["a"]'
    assert plain([((1), 2)], pa.map_(pa.int64(), pa.int64())) == {"1": 2}
