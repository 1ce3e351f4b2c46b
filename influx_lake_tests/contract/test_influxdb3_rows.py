"""What was written is what is read: types, names, times."""

import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.contract.influxdb3_server import Database

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_NS = (NOON - EPOCH) // timedelta(seconds=1) * 10**9
HOUR = Window(NOON, NOON + timedelta(hours=1))
HOUR_NS = 3600 * 10**9
ALL_TIME = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))

TIME = Column("time", Role.TIME, ColumnType.TIME)


def read(source: InfluxDB3Source, measurement: str, window: Window = HOUR) -> pa.Table:
    schema = source.schema(measurement)
    with source.read(schema, window) as rows:
        table = pa.Table.from_batches(rows, rows.schema)
    assert source.count(measurement, window) == table.num_rows
    return table.sort_by("time")


def values(table: pa.Table, column: str) -> list[Any]:
    return list(table[column].to_pylist())


def times(table: pa.Table) -> list[int]:
    return values(table.set_column(0, "time", table["time"].cast(pa.int64())), "time")


def test_each_type_keeps_its_extremes(database: Database, source: InfluxDB3Source) -> None:
    database.write(
        f'types i={-(2**63)}i,u=0u,f=-1.7976931348623157e308,b=false,s="" {NOON_NS}',
        f'types i={2**63 - 1}i,u={2**64 - 1}u,f=5e-324,b=true,s="x" {NOON_NS + 1}',
        f'types i={2**53 + 1}i,u={2**63}u,f=-0.0,b=t,s="\\"quoted\\" back\\\\slash, a=b" {NOON_NS + 2}',
        f'types i=0i,u=1u,f=0.1,b=F,s="Ünïcödé 🌡 漢字" {NOON_NS + 3}',
        f"types f=1 {NOON_NS + 4}",
    )
    schema = source.schema("types")
    assert schema == MeasurementSchema(
        "types",
        (
            TIME,
            Column("b", Role.FIELD, ColumnType.BOOLEAN),
            Column("f", Role.FIELD, ColumnType.FLOAT),
            Column("i", Role.FIELD, ColumnType.INTEGER),
            Column("s", Role.FIELD, ColumnType.STRING),
            Column("u", Role.FIELD, ColumnType.UINTEGER),
        ),
    )
    table = read(source, "types")
    assert values(table, "i") == [-(2**63), 2**63 - 1, 2**53 + 1, 0, None]
    assert values(table, "u") == [0, 2**64 - 1, 2**63, 1, None]
    assert values(table, "b") == [False, True, True, False, None]
    assert values(table, "s") == ["", "x", '"quoted" back\\slash, a=b', "Ünïcödé 🌡 漢字", None]
    floats = values(table, "f")
    assert floats == [-1.7976931348623157e308, 5e-324, 0.0, 0.1, 1.0]
    assert math.copysign(1, floats[2]) == -1.0
    assert struct.pack("d", floats[3]) == struct.pack("d", 0.1)


def test_a_long_string(database: Database, source: InfluxDB3Source) -> None:
    text = "é" * 30_000
    database.write(f'long s="{text}" {NOON_NS}')
    assert values(read(source, "long"), "s") == [text]


def test_tags_are_strings_and_null_where_a_point_has_none(database: Database, source: InfluxDB3Source) -> None:
    database.write(
        f"tagged,host=a,region=eu v=1 {NOON_NS}", f"tagged,host=b v=2 {NOON_NS + 1}", f"tagged v=3 {NOON_NS + 2}"
    )
    assert source.schema("tagged").tags == ("host", "region")
    table = read(source, "tagged")
    assert values(table, "host") == ["a", "b", None]
    assert values(table, "region") == ["eu", None, None]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('o\'brien "x"', 'o\'brien\\ "x"'),
        ("a.b.c", "a.b.c"),
        ("CamelCase", "CamelCase"),
        ("with space, comma=equals", "with\\ space\\,\\ comma=equals"),
        ("select", "select"),
        ("tables", "tables"),
        ("iox.columns", "iox.columns"),
        ("Größe/温度", "Größe/温度"),
        ("semi;colon -- x", "semi;colon\\ --\\ x"),
        ("100%", "100%"),
        ("back`tick", "back`tick"),
    ],
)
def test_any_name_of_a_measurement(name: str, written: str, database: Database, source: InfluxDB3Source) -> None:
    database.write(f"{written},t=x v=1i {NOON_NS}")
    assert name in source.measurements()
    assert source.schema(name).measurement == name
    assert values(read(source, name), "v") == [1]


def test_any_name_of_a_column(database: Database, source: InfluxDB3Source) -> None:
    database.write(
        'columns,a.b=1,T\\ t=2,quo"te=3,Time=4,from=5,naïve=6 '
        f"F\\ f=1i,f.f=2i,F.f=3i,ap'os=4i,SELECT=5i,$x=6i {NOON_NS}"
    )
    schema = source.schema("columns")
    assert set(schema.tags) == {"a.b", "T t", 'quo"te', "Time", "from", "naïve"}
    assert set(schema.fields) == {"F f", "f.f", "F.f", "ap'os", "SELECT", "$x"}
    table = read(source, "columns")
    assert table.column_names == [column.name for column in schema.columns]
    row = table.drop_columns(["time"]).to_pylist()[0]
    assert row == {
        "a.b": "1",
        "T t": "2",
        'quo"te': "3",
        "Time": "4",
        "from": "5",
        "naïve": "6",
        "F f": 1,
        "f.f": 2,
        "F.f": 3,
        "ap'os": 4,
        "SELECT": 5,
        "$x": 6,
    }


def test_a_window_holds_its_start_and_not_its_end(database: Database, source: InfluxDB3Source) -> None:
    edges = [NOON_NS - 1, NOON_NS, NOON_NS + 1, NOON_NS + HOUR_NS - 1, NOON_NS + HOUR_NS, NOON_NS + HOUR_NS + 1]
    database.write(*(f"edges v={index}i {time}" for index, time in enumerate(edges)))
    assert times(read(source, "edges")) == edges[1:4]
    before = Window(NOON - timedelta(microseconds=1), NOON)
    assert times(read(source, "edges", before)) == edges[:1]
    after = Window(HOUR.end, HOUR.end + timedelta(microseconds=1))
    assert times(read(source, "edges", after)) == edges[4:]


def test_times_far_back_and_far_ahead(database: Database, source: InfluxDB3Source) -> None:
    # A day inside of what 64 bits hold: servers differ in the last second of either end.
    ages = [-(2**63) + 24 * HOUR_NS, -1, 0, 1, NOON_NS, 2**63 - 24 * HOUR_NS]
    database.write(*(f"ages v={index}i {time}" for index, time in enumerate(ages)))
    assert times(read(source, "ages", ALL_TIME)) == ages
    assert times(read(source, "ages", Window(EPOCH, EPOCH + timedelta(microseconds=1)))) == [0, 1]


def test_the_first_point_of_a_measurement(database: Database, source: InfluxDB3Source) -> None:
    database.write(f"firsts,host=a v=1 {NOON_NS}", f"firsts,host=b w=1i {NOON_NS - 5_000_000_001}")
    assert source.first_time("firsts") == NOON - timedelta(seconds=5, microseconds=1)


def test_a_window_without_rows(database: Database, source: InfluxDB3Source) -> None:
    database.write(f"sparse v=1 {NOON_NS}")
    assert read(source, "sparse", Window(HOUR.end, HOUR.end + timedelta(days=1))).num_rows == 0


def test_a_point_that_is_written_again_stays_one(database: Database, source: InfluxDB3Source) -> None:
    database.write(f"again,host=a x=1 {NOON_NS}")
    database.write(f"again,host=a y=2 {NOON_NS}")
    table = read(source, "again")
    assert table.drop_columns(["time"]).to_pylist() == [{"host": "a", "x": 1.0, "y": 2.0}]


def test_a_new_field_shows_in_the_schema(database: Database, source: InfluxDB3Source) -> None:
    database.write(f"growing f0=1 {NOON_NS}")
    before = source.schema("growing")
    names = [f"f{number}" for number in range(len(before.fields) + 1)]
    database.write(f"growing {names[-1]}=2 {NOON_NS + 1}")
    assert source.schema("growing").fields == tuple(names)
    with source.read(before, HOUR) as rows:
        assert pa.Table.from_batches(rows, rows.schema).column_names == ["time", *names[:-1]]


def test_many_columns(database: Database, source: InfluxDB3Source) -> None:
    database.write("wide " + ",".join(f"f{number:03}={number}i" for number in range(250)) + f" {NOON_NS}")
    table = read(source, "wide")
    assert [values(table, f"f{number:03}") for number in range(250)] == [[number] for number in range(250)]


def test_more_rows_than_one_batch_holds(database: Database, source: InfluxDB3Source) -> None:
    total = 60_000
    for start in range(0, total, 20_000):
        database.write(*(f"many,host=h{n % 7} n={n}i {NOON_NS + n}" for n in range(start, start + 20_000)))
    with source.read(source.schema("many"), HOUR) as rows:
        batches = list(rows)
    assert len(batches) > 1
    assert all(batch.num_rows for batch in batches)
    assert sorted(value for batch in batches for value in batch["n"].to_pylist()) == list(range(total))


def test_what_older_servers_offer_says_the_same(database: Database, source: InfluxDB3Source) -> None:
    database.write(f'old,host=a f=1,i=1i,u=1u,b=t,s="x" {NOON_NS}')
    older = database.source()
    older._before_3_3 = True
    assert older.schema("old") == source.schema("old")
    assert older.measurements() == source.measurements()
    older.close()
