"""Types arrive exactly or are refused."""

from __future__ import annotations

from dataclasses import replace as changed
from decimal import Decimal

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.types import (
    BooleanType,
    DecimalType,
    DoubleType,
    IcebergType,
    LongType,
    StringType,
    TimestamptzType,
)

from influx_lake.config import SchemaEvolution
from influx_lake.errors import DataRefused, SchemaConflict
from influx_lake.iceberg.columns.schema import iceberg_type
from influx_lake_tests.unit.iceberg.tables import SCHEMA, TARGET, day, held, replace, rows, table

TIME = pa.field("time", pa.timestamp("ns"), nullable=False)


def one_column(kind: pa.DataType, values: list[object], name: str = "value") -> pa.RecordBatch:
    schema = pa.schema([TIME, pa.field(name, kind)])
    times = [(day(0).start_us + i) * 1000 for i in range(len(values))]
    return pa.record_batch([pa.array(times, pa.timestamp("ns")), pa.array(values, kind)], schema=schema)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.string(), StringType()),
        (pa.dictionary(pa.int32(), pa.string()), StringType()),
        (pa.int64(), LongType()),
        (pa.uint64(), DecimalType(20, 0)),
        (pa.float64(), DoubleType()),
        (pa.bool_(), BooleanType()),
        (pa.timestamp("us", "UTC"), TimestamptzType()),
    ],
)
def test_each_type_of_influxdb_has_one_of_iceberg(kind: pa.DataType, expected: IcebergType) -> None:
    assert iceberg_type(kind) == expected


def test_extremes_come_back_as_they_were(catalog: Catalog) -> None:
    schema = pa.schema(
        [
            TIME,
            pa.field("integer", pa.int64()),
            pa.field("unsigned", pa.uint64()),
            pa.field("float", pa.float64()),
            pa.field("text", pa.string()),
            pa.field("flag", pa.bool_()),
        ]
    )
    integers = [-(2**63), 2**63 - 1, 0, None]
    unsigned = [0, 2**64 - 1, 2**63, None]
    floats = [-0.0, 1.7976931348623157e308, 5e-324, None]
    texts = ["", "żółw\U0001f422\n\"'\\", "x" * 1_000_000, None]
    times = pa.array([(day(0).start_us + i) * 1000 for i in range(4)], pa.timestamp("ns"))
    replace(
        catalog,
        day(0),
        pa.record_batch(
            [times, integers, pa.array(unsigned, pa.uint64()), floats, texts, [True, False, True, None]], schema=schema
        ),
    )
    back = held(catalog)
    assert back.column("integer").to_pylist() == integers
    assert back.column("unsigned").to_pylist() == [None if value is None else Decimal(value) for value in unsigned]
    assert [str(value) for value in back.column("float").to_pylist()] == [str(value) for value in floats]
    assert back.column("text").to_pylist() == texts
    assert back.column("flag").to_pylist() == [True, False, True, None]
    assert back.schema.field("time").type == pa.timestamp("us", "UTC")


def test_names_that_only_quotes_can_hold(catalog: Catalog) -> None:
    names = ["a.b", "A.B", "a b", 'o\'brien "x"', "ünï", "1st", "select"]
    schema = pa.schema([TIME, *(pa.field(name, pa.float64()) for name in names)])
    times = pa.array([day(0).start_us * 1000], pa.timestamp("ns"))
    replace(catalog, day(0), pa.record_batch([times, *([float(i)] for i in range(len(names)))], schema=schema))
    assert held(catalog).to_pylist()[0] | {"time": None} == {"time": None} | {
        name: float(i) for i, name in enumerate(names)
    }


@pytest.mark.parametrize("nanoseconds", [1, -1, 1_767_225_600_000_000_001])
def test_a_time_finer_than_a_microsecond_is_refused(catalog: Catalog, nanoseconds: int) -> None:
    batch = pa.record_batch([pa.array([nanoseconds], pa.timestamp("ns")), ["a"], [1.0], [1]], schema=SCHEMA)
    with pytest.raises(DataRefused, match="1 times finer than a microsecond"):
        replace(catalog, day(-21000, 22000), batch)
    assert table(catalog).current_snapshot() is None


def test_microseconds_before_1970_keep_their_place(catalog: Catalog) -> None:
    batch = pa.record_batch(
        [pa.array([-1000, -1_000_001_000], pa.timestamp("ns")), ["a"] * 2, [1.0] * 2, [1] * 2], schema=SCHEMA
    )
    replace(catalog, day(-21000, 22000), batch)
    assert [moment.value for moment in held(catalog, [day(-21000, 22000)]).column("time")] == [-1_000_001, -1]


def test_only_the_time_is_required(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 1))
    assert [field.name for field in table(catalog).schema().fields if field.required] == ["time"]


def test_a_new_column_is_added_and_null_before(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 2))
    batch = rows(day(1), 2).append_column("extra", pa.array([True, None]))
    replace(catalog, day(1), batch)
    assert held(catalog).column("extra").to_pylist() == [None, None, True, None]


def test_a_column_that_left_the_source_stays_and_is_null(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 2))
    replace(catalog, day(1), rows(day(1), 2).drop_columns(["count"]))
    assert held(catalog).column("count").to_pylist() == [0, 1, None, None]


def test_strict_names_the_new_columns(catalog: Catalog) -> None:
    strict = changed(TARGET, schema_evolution=SchemaEvolution.STRICT)
    replace(catalog, day(0), rows(day(0), 2), target=strict)
    with pytest.raises(SchemaConflict, match="extra"):
        replace(catalog, day(1), rows(day(1), 1).append_column("extra", pa.array([True])), target=strict)
    assert "extra" not in table(catalog).schema().column_names


def test_another_type_is_a_conflict_that_names_both(catalog: Catalog) -> None:
    replace(catalog, day(0), one_column(pa.float64(), [1.0]))
    with pytest.raises(SchemaConflict, match="'value' is string in the source and double in the table"):
        replace(catalog, day(1), one_column(pa.string(), ["x"]))


def test_a_narrower_type_keeps_the_wider_column(catalog: Catalog) -> None:
    replace(catalog, day(0), one_column(pa.int64(), [1]))
    replace(catalog, day(0), one_column(pa.int32(), [7]))
    assert held(catalog).column("value").to_pylist() == [7]


def test_rows_without_the_time_column_are_refused(catalog: Catalog) -> None:
    with pytest.raises(DataRefused, match="no column 'time'"):
        replace(catalog, day(0), pa.record_batch([[1]], names=["value"]))


def test_names_that_are_one_in_the_files_are_refused(catalog: Catalog) -> None:
    replace(catalog, day(0), one_column(pa.int64(), [1], name="a b"))
    for columns in (["a_x20b"], ["c d", "c_x20d"]):
        schema = pa.schema([TIME, *(pa.field(name, pa.int64()) for name in columns)])
        times = pa.array([day(0).start_us * 1000], pa.timestamp("ns"))
        batch = pa.record_batch([times, *([pa.array([1], pa.int64())] * len(columns))], schema=schema)
        with pytest.raises(SchemaConflict, match=r"would both be '\w_x20\w' in its files. Set column_names: snake"):
            replace(catalog, day(0), batch)
