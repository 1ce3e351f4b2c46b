"""Types, from line protocol to a table: exact, or refused with the table as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import dagster as dg
import polars as pl
import pytest

from influx_lake.config import ColumnNames, Nanoseconds, SchemaEvolution, TimeType, TypeOptions, Unsigned
from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.errors import DataRefused, SchemaConflict
from influx_lake.iceberg.scan.reader import count_rows
from influx_lake.orchestration.execution.dataframe_inputs import TableRows, load_as
from influx_lake.orchestration.window_metadata import replication_facts
from influx_lake.replication.status import measurement_status
from influx_lake_tests.integration.typed_lake import (
    START_NS,
    TypedLake,
    day,
    measurement,
    through_duckdb,
    through_polars,
)

UPSTREAM = dg.AssetKey(["influxdb", "telemetry", "cpu"])

DAY_NS = 86_400 * 10**9
CPU = measurement()
BEFORE_1970 = Window(EPOCH - timedelta(days=1), EPOCH + timedelta(days=1))


def test_the_first_fine_time_gives_every_row_of_its_window_its_nanoseconds(typed_lake: TypedLake) -> None:
    typed_lake.write(*(f"cpu,host=a value=1 {START_NS + i * 1000}" for i in range(3)))
    typed_lake.load(CPU)
    assert "time_ns" not in typed_lake.types(CPU)
    fine = [START_NS + DAY_NS + i for i in (0, 1000, 2001, 2002)]
    typed_lake.write(*(f"cpu,host=a value={i} {ns}" for i, ns in enumerate(fine)))
    result = typed_lake.load(CPU, 1)
    assert (result.rows, typed_lake.types(CPU)["time_ns"]) == (4, "long")
    assert [row["time_ns"] for row in typed_lake.rows(CPU, 1)] == fine
    assert [row["value"] for row in typed_lake.rows(CPU, 1)] == [0.0, 1.0, 2.0, 3.0]
    assert [row["time_ns"] for row in typed_lake.rows(CPU, 0)] == [None] * 3
    # From now on every row has them, and those of windows that are done again.
    typed_lake.load(CPU, 0)
    assert [row["time_ns"] for row in typed_lake.rows(CPU, 0)] == [START_NS + i * 1000 for i in range(3)]
    assert len(typed_lake.table(CPU).snapshots()) == 3


def test_points_that_differ_in_nanoseconds_only_stay_two(typed_lake: TypedLake) -> None:
    typed_lake.write(f"cpu,host=a value=1 {START_NS + 1}", f"cpu,host=a value=2 {START_NS + 2}")
    of = measurement(types=TypeOptions(nanoseconds_column="whole"))
    assert typed_lake.load(of).rows == 2
    assert typed_lake.load(of).previous_rows == 2
    for engine in (through_polars, through_duckdb):
        rows = sorted((row["whole"], row["value"]) for row in engine(typed_lake.table(of)))
        assert rows == [(START_NS + 1, 1.0), (START_NS + 2, 2.0)]


@pytest.mark.parametrize("policy", [Nanoseconds.KEEP, Nanoseconds.TRUNCATE])
def test_times_before_1970_are_cut_down_and_not_to_zero(typed_lake: TypedLake, policy: Nanoseconds) -> None:
    of = measurement(types=TypeOptions(nanoseconds=policy))
    fine = [-1_000_001, -1_000_000, -1001, -1, 0, 999]
    typed_lake.write(*(f"cpu,host=a value=1 {ns}" for ns in fine))
    assert typed_lake.load(of, BEFORE_1970).rows == len(fine)
    rows = typed_lake.rows(of, BEFORE_1970)
    assert [(row["time"] - EPOCH) // timedelta(microseconds=1) for row in rows] == [ns // 1000 for ns in fine]
    assert ("time_ns" in typed_lake.types(of)) == (policy is Nanoseconds.KEEP)


def test_a_time_finer_than_a_microsecond_is_refused_where_that_is_configured(typed_lake: TypedLake) -> None:
    typed_lake.write(f"cpu,host=a value=1 {START_NS + 1001}")
    with pytest.raises(DataRefused, match="1 times finer than a microsecond"):
        typed_lake.load(measurement(types=TypeOptions(nanoseconds=Nanoseconds.REFUSE)))
    assert typed_lake.table(CPU).current_snapshot() is None


def test_strict_lets_the_first_load_keep_nanoseconds_and_no_later_one(typed_lake: TypedLake) -> None:
    strict = measurement(schema_evolution=SchemaEvolution.STRICT)
    typed_lake.write(f"cpu,host=a value=1 {START_NS}", f"cpu,host=a value=1 {START_NS + DAY_NS + 1}")
    typed_lake.load(strict)
    with pytest.raises(SchemaConflict, match=r"time_ns \(for times finer than a microsecond\)"):
        typed_lake.load(strict, 1)
    fresh = measurement(schema_evolution=SchemaEvolution.STRICT, table="fresh")
    assert typed_lake.load(fresh, 1).rows == 1
    assert typed_lake.rows(fresh, 1)[0]["time_ns"] == START_NS + DAY_NS + 1


def test_a_source_with_a_column_of_the_nanoseconds_name_is_refused_before_anything_is_made(
    typed_lake: TypedLake,
) -> None:
    typed_lake.write(f"cpu,host=a time_ns=1i {START_NS}")
    with pytest.raises(SchemaConflict, match="nanoseconds_column"):
        typed_lake.load(CPU)
    assert not typed_lake.catalog.table_exists(CPU.identifier)
    assert typed_lake.load(measurement(types=TypeOptions(nanoseconds_column="epoch"))).rows == 1


def test_unsigned_as_decimal_as_long_or_not_at_all(typed_lake: TypedLake) -> None:
    typed_lake.write(f"cpu,host=a big=9223372036854775807u {START_NS}", f"cpu,host=a big=0u {START_NS + 1000}")
    expected = {
        Unsigned.DECIMAL: ("decimal(20, 0)", [Decimal(2**63 - 1), Decimal(0)]),
        Unsigned.LONG: ("long", [2**63 - 1, 0]),
    }
    for policy, (kind, values) in expected.items():
        of = measurement(types=TypeOptions(unsigned=policy), table=policy.value)
        typed_lake.load(of)
        assert typed_lake.types(of)["big"] == kind
        for engine in (through_polars, through_duckdb):
            assert [row["big"] for row in engine(typed_lake.table(of))] == values
    refusing = measurement(types=TypeOptions(unsigned=Unsigned.REFUSE), table="refusing")
    with pytest.raises(DataRefused, match=r"unsigned integers.*: big"):
        typed_lake.load(refusing)
    assert not typed_lake.catalog.table_exists(refusing.identifier)


def test_an_unsigned_integer_beyond_a_long_is_refused_before_anything_is_committed(typed_lake: TypedLake) -> None:
    of = measurement(types=TypeOptions(unsigned=Unsigned.LONG))
    typed_lake.write(f"cpu,host=a big=1u {START_NS}")
    typed_lake.load(of)
    typed_lake.write(f"cpu,host=b big=9223372036854775808u {START_NS}")
    with pytest.raises(DataRefused, match=r"'big'.*9223372036854775808"):
        typed_lake.load(of)
    assert [row["big"] for row in typed_lake.rows(of)] == [1]
    # A decimal column holds every long: the option may change back and forth.
    decimals = measurement(table="decimals")
    typed_lake.load(decimals)
    typed_lake.write(f"cpu,host=a big=2u {START_NS + DAY_NS}")
    typed_lake.load(measurement(types=TypeOptions(unsigned=Unsigned.LONG), table="decimals"), 1)
    assert [row["big"] for row in typed_lake.rows(decimals, 1)] == [Decimal(2)]


NAIVE = TypeOptions(time_type=TimeType.TIMESTAMP)


def test_a_table_whose_times_have_no_zone(typed_lake: TypedLake) -> None:
    of = measurement(types=NAIVE)
    lines = [f"cpu,host=a value={i} {START_NS + i * DAY_NS // 4}" for i in range(8)]
    typed_lake.write(*lines)
    for number in (0, 1, 1):
        typed_lake.load(of, number)
    assert typed_lake.types(of)["time"] == "timestamp"
    half = Window(day(0).start + timedelta(hours=6), day(0).start + timedelta(hours=18))
    assert (count_rows(typed_lake.table(of), day(0)), count_rows(typed_lake.table(of), half)) == (4, 2)
    assert typed_lake.load(of, half).previous_rows == 2
    assert [row["value"] for row in typed_lake.rows(of, half)] == [1.0, 2.0]
    assert [str(field.transform) for field in typed_lake.table(of).spec().fields] == ["day"]
    assert measurement_status(typed_lake.catalog, of, day(2).end).loaded == 2
    first = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    for engine in (through_polars, through_duckdb):
        rows = engine(typed_lake.table(of))
        assert sorted(row["time"] for row in rows) == [first + i * timedelta(hours=6) for i in range(8)]
    frame = load_as(pl.DataFrame, TableRows(typed_lake.table(of), [day(1)], "time"), "rows")
    assert isinstance(frame, pl.DataFrame)
    assert sorted(frame["value"]) == [4.0, 5.0, 6.0, 7.0]


@pytest.mark.parametrize(("there", "asked"), [(TypeOptions(), NAIVE), (NAIVE, TypeOptions())])
def test_a_table_with_the_other_type_of_time_is_a_conflict(
    typed_lake: TypedLake, there: TypeOptions, asked: TypeOptions
) -> None:
    typed_lake.write(f"cpu,host=a value=1 {START_NS}")
    typed_lake.load(measurement(types=there))
    remedy = f"the time of telemetry.cpu is a {there.time_type}.*Set time_type: {there.time_type}"
    with pytest.raises(SchemaConflict, match=remedy):
        typed_lake.load(measurement(types=asked))


def test_columns_renamed(typed_lake: TypedLake) -> None:
    of = measurement(types=TypeOptions(column_names=ColumnNames.SNAKE))
    typed_lake.write(f"cpu,Host\\ Name=a cpuUsage=1,IO.wait=2u {START_NS + 1}")
    result = typed_lake.load(of)
    assert typed_lake.types(of) == {
        "time": "timestamptz",
        "host_name": "string",
        "io_wait": "decimal(20, 0)",
        "cpu_usage": "double",
        "time_ns": "long",
    }
    assert result.schema.tags == ("host_name",)
    facts = replication_facts(result, UPSTREAM)
    columns = {column.name: column for column in facts["dagster/column_schema"].value.columns}  # type: ignore[union-attr]
    assert {name: list(column.tags) for name, column in columns.items()} == {
        "time": ["time"],
        "host_name": ["tag"],
        "io_wait": ["field"],
        "cpu_usage": ["field"],
        "time_ns": ["time"],
    }
    assert columns["host_name"].description == "'Host Name' in the source"
    assert columns["time_ns"].description == "The whole time, in nanoseconds since 1970"
    typed_lake.write(f"cpu,Host\\ Name=a newOne=1 {START_NS + 1}")
    typed_lake.load(of)
    assert typed_lake.table(of).schema().find_field("new_one").doc == "'newOne' in the source"
    assert typed_lake.rows(of)[0]["new_one"] == 1.0


@pytest.mark.parametrize(
    ("style", "line", "both"),
    [
        (ColumnNames.LOWER, "cpu,Host=a,host=b value=1", "'Host' and 'host'"),
        (ColumnNames.SNAKE, "cpu cpuUsage=1,cpu_usage=2", "'cpuUsage' and 'cpu_usage'"),
        (ColumnNames.LOWER, "cpu TIME=1", "'time' and 'TIME'"),
        (ColumnNames.SNAKE, "cpu timeNs=1", "'timeNs', and 'time_ns'"),
    ],
)
def test_names_that_would_fall_together_are_refused_before_anything_is_made(
    typed_lake: TypedLake, style: ColumnNames, line: str, both: str
) -> None:
    of = measurement(types=TypeOptions(column_names=style))
    typed_lake.write(f"{line} {START_NS}")
    with pytest.raises(SchemaConflict, match=both):
        typed_lake.load(of)
    assert not typed_lake.catalog.table_exists(of.identifier)
    assert typed_lake.load(measurement(types=TypeOptions(nanoseconds_column="whole"))).rows == 1


def test_types_that_were_requested(typed_lake: TypedLake) -> None:
    wanted = {"count": "long", "price": "decimal(12, 2)", "host": "int", "big": "string", "absent": "long"}
    options = TypeOptions(types=wanted, unsigned=Unsigned.REFUSE, column_names=ColumnNames.LOWER)
    of = measurement(types=options)
    typed_lake.write(f"cpu,host=7 count=3,price=19.99,big=18446744073709551615u {START_NS}")
    typed_lake.load(of)
    assert typed_lake.types(of) == {
        "time": "timestamptz",
        "host": "int",
        "big": "string",
        "count": "long",
        "price": "decimal(12, 2)",
    }
    for engine in (through_polars, through_duckdb):
        (row,) = engine(typed_lake.table(of))
        assert row | {"time": None} == {
            "time": None,
            "host": 7,
            "big": "18446744073709551615",
            "count": 3,
            "price": Decimal("19.99"),
        }
    typed_lake.write(f"cpu,host=7 count=3.5 {START_NS}")
    with pytest.raises(DataRefused, match=r"column 'count' holds a value that int64 cannot hold exactly: .*3.5"):
        typed_lake.load(of)
    with pytest.raises(SchemaConflict, match="'count' is double, which cannot become bool exactly"):
        typed_lake.load(measurement(types=TypeOptions(types={"count": "boolean"}), table="other"))
    assert not typed_lake.catalog.table_exists(("telemetry", "other"))


def test_several_loads_meet_their_first_fine_times_at_once(typed_lake: TypedLake) -> None:
    typed_lake.write(f"cpu,host=a value=1 {START_NS}")
    typed_lake.load(CPU)
    fine = [START_NS + number * DAY_NS + number for number in range(1, 5)]
    typed_lake.write(*(f"cpu,host=a value=1,own{number}=1 {ns}" for number, ns in enumerate(fine)))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: typed_lake.load(CPU, number), range(1, 5)))
    assert [result.rows for result in results] == [1] * 4
    found = {row["time_ns"] for row in through_polars(typed_lake.table(CPU))}
    assert found == {None, *fine}
