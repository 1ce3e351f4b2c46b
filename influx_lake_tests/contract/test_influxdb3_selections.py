"""Some columns and rows of a measurement are what plain Python makes of all of them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from influx_lake.config.connections import Protocol
from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Not, Operator
from influx_lake.config.values.read_options import ReadingOptions, RetryOptions
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowInterrupted
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.profile import read_profiles, scale_for
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.contract.influxdb3_server import Database
from testbed.selections import (
    FIELDS,
    MEASUREMENT,
    UNSIGNED,
    Asked,
    Point,
    check,
    check_projection,
    declared,
    expected,
    points,
    read,
    rows_of,
    selections,
)
from testbed.wire import recorded

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))
HALVES = [Window(START, START + timedelta(hours=12)), Window(START + timedelta(hours=12), DAY.end)]
KINDS = {**FIELDS, **UNSIGNED}
TYPES = {name: kind for name, (kind, _) in KINDS.items()}


@pytest.fixture(scope="module")
def there(database: Database) -> list[Point]:
    found = points(DAY.start_us * 1000, 1100 * 10**9, KINDS)
    # A point that is written in two parts is one.
    first = Point(found[0].time, found[0].tags, {**found[0].fields, 'o\'brien "v" w.x': 9})
    database.write(*(point.line(TYPES) for point in (first, *found)))
    kept = {'o\'brien "v" w.x': 9, **found[0].fields}
    return [Point(first.time, first.tags, kept), *found[1:]]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=selections(KINDS))
def test_rows_and_counts(source: InfluxDB3Source, there: list[Point], asked: Asked) -> None:
    check(source, asked, [point.row for point in there], DAY, *HALVES)


HOST_A = Compared("host", Operator.EQUAL, "a")


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        (HOST_A, True),
        (Not(HOST_A), True),
        (IsNull("count"), True),
        (All(()), True),
        (AnyOf(()), True),
        (Compared("state", Operator.LESS, "it's"), True),
        (Compared("count", Operator.GREATER, -(2**63)), True),
        (Compared("count", Operator.GREATER, 2**63), False),
        (Compared("count", Operator.GREATER, 1.5), False),
        (Compared("count", Operator.EQUAL, True), False),
        (Compared("total", Operator.GREATER, 2**64 - 2), True),
        (Compared("total", Operator.GREATER, -1), False),
        (Compared("usage", Operator.GREATER, 0), True),
        (Compared("usage", Operator.GREATER_OR_EQUAL, 2**53 + 1), False),
        (Compared("usage", Operator.EQUAL, float("nan")), False),
        (Compared("up", Operator.NOT_EQUAL, True), True),
        (Compared("up", Operator.LESS, True), False),
        (Compared("host", Operator.EQUAL, 1), False),
        (Compared("time", Operator.GREATER, 1), False),
        (Compared("nowhere", Operator.EQUAL, "a"), False),
    ],
)
def test_what_is_taken(source: InfluxDB3Source, there: list[Point], condition: Condition, taken: bool) -> None:
    asked = Asked(frozenset({"state", "count"}), condition)
    assert check(source, asked, [point.row for point in there], DAY) is taken


@pytest.mark.parametrize("operator", Operator)
@pytest.mark.parametrize("zero", [0, 0.0, -0.0])
def test_both_zeros_are_equal(source: InfluxDB3Source, there: list[Point], operator: Operator, zero: float) -> None:
    assert any(str(point.fields.get("usage")) == "-0.0" for point in there)
    asked = Asked(frozenset({"usage"}), Compared("usage", operator, zero))
    assert check(source, asked, [point.row for point in there], DAY)


def test_profiles_are_of_the_rows_that_are_read(source: InfluxDB3Source, there: list[Point]) -> None:
    schema = declared(KINDS)
    assert source.schema(MEASUREMENT) == schema
    for where in (None, All((Not(HOST_A), IsNull("up")))):
        selected = schema.select(["host", "count", "usage"], where)
        scales = {"usage": scale_for(1e300)}
        assert source.profiles(selected, HALVES, scales) == read_profiles(source, selected, HALVES, scales)


def test_what_is_left_out_is_not_asked(database: Database, there: list[Point], monkeypatch: pytest.MonkeyPatch) -> None:
    source, wire = database.source(Protocol.HTTP), recorded(monkeypatch)
    schema = source.schema(MEASUREMENT)
    wire.clear()
    whole = len(read(source, schema, DAY))
    (statement,), all_bytes = wire.sent, wire.received
    assert whole == len(expected(schema, [point.row for point in there], DAY))
    assert "IS NOT NULL" not in statement
    wire.clear()
    rows = len(read(source, schema.select(["count"], HOST_A), DAY))
    (statement,) = wire.sent
    assert 0 < rows < whole / 4
    assert wire.received < all_bytes / 10
    assert not [name for name in schema.types if name in statement and name not in ("time", "count", "host")]
    source.close()


def test_selected_rows_are_confirmed(
    source: InfluxDB3Source, there: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    retry = RetryOptions(budget=timedelta(milliseconds=100), first_wait=timedelta(milliseconds=1))
    reliable = ReliableSource(source, ReadingOptions(confirm_rows=True, retry=retry), ServerLimits())
    asked = Asked(frozenset({"count", "host"}), Not(HOST_A))
    assert check(reliable, asked, [point.row for point in there], DAY, *HALVES)
    schema = reliable.schema(MEASUREMENT).select(["count", "host"], Not(HOST_A))
    rows = len(read(reliable, schema, DAY))
    # Of the first batch; a server may send each of its files by itself.
    lost = iter([1])
    monkeypatch.setattr("influx_lake.sources.reliable.reading._within", lambda batch, piece: batch.slice(next(lost, 0)))
    with pytest.raises(WindowInterrupted, match=rf"{rows - 1} rows arrived .* has {rows}"):
        read(reliable, schema, DAY)


@pytest.mark.slow
def test_hundreds_of_fields_and_literals(database: Database, source: InfluxDB3Source) -> None:
    fields = [f"f{number}" for number in range(450)]
    lines = (
        f"hundreds,host=h{n} {','.join(f'{name}={n}i' for name in fields[n % 3 :: 3])} {DAY.start_us * 1000 + n}"
        for n in range(6)
    )
    database.write(*lines)
    whole, rows = source.schema("hundreds"), rows_of(source, "hundreds", DAY)
    some_of_many = AnyOf(tuple(Compared("host", Operator.EQUAL, f"h{number}") for number in range(2, 1_000)))
    for names in (fields[::3], fields[:-1]):
        check_projection(source, whole.select(names), rows, DAY)
        check_projection(source, whole.select(names, some_of_many), rows, DAY)
