"""Some columns and rows, asked of real InfluxDB 1 and 2, are what plain Python makes of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Not, Operator
from influx_lake.config.values.read_options import ReadingOptions, RetryOptions
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowInterrupted
from influx_lake.sources import Source, open_source
from influx_lake.sources.reliable import ReliableSource
from influx_lake.sources.reliable.limits import ServerLimits
from influx_lake_tests.integration.sources.influxdb_points import START, START_NS, auto_config, servers
from testbed.influxdb_servers import Server
from testbed.selections import FIELDS, UNSIGNED, Asked, check, check_projection, points, read, rows_of, selections
from testbed.wire import recorded

__all__ = ["servers"]

pytestmark = pytest.mark.servers

# Several shards: 240 points, three of a time, in 30 days.
POINTS = points(START_NS, 9 * 3600 * 10**9, FIELDS)
TYPES = {name: kind for name, (kind, _) in FIELDS.items()}
MONTH = Window(START, START + timedelta(days=31))
PARTS = [Window(START, START + timedelta(days=10)), Window(START + timedelta(days=10), MONTH.end)]

FLUX = {"query_language": "flux"}
DAY = Window(START, START + timedelta(days=1))
QUICK = ReadingOptions(
    confirm_rows=True, retry=RetryOptions(budget=timedelta(milliseconds=200), first_wait=timedelta(milliseconds=1))
)
# Flux is asked day by day.
BEFORE = START - timedelta(days=20)
DAYS = Window(BEFORE, BEFORE + timedelta(days=2))
FEW_DAYS = points(DAYS.start_us * 1000, 1800 * 10**9, FIELDS)


@pytest.fixture(scope="module", params=["1.6", "1.8", "2"])
def influxql(servers: dict[str, Server], request: pytest.FixtureRequest) -> Iterator[Source]:
    server = servers[request.param]
    server.write("\n".join(point.line(TYPES) for point in POINTS))
    source = open_source(server.config())
    yield source
    source.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=selections(FIELDS))
def test_influxql(influxql: Source, asked: Asked) -> None:
    check(influxql, asked, [point.row for point in POINTS], MONTH, *PARTS)


@pytest.mark.parametrize("operator", Operator)
def test_unsigned_integers_in_influxql(servers: dict[str, Server], operator: Operator) -> None:
    _, values = UNSIGNED["total"]
    lines = (f"unsigned total={value}u,other={number}i {START_NS + number}" for number, value in enumerate(values))
    servers["2"].write("\n".join(lines))
    source = open_source(servers["2"].config())
    whole, rows = source.schema("unsigned"), rows_of(source, "unsigned", DAY)
    for literal in (-1, 0, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64):
        where = Compared("total", operator, literal)
        assert source.takes(whole, where) is (literal in range(2**64))
        if source.takes(whole, where):
            check_projection(source, whole.select(["other"], where), rows, DAY)
    source.close()


@pytest.fixture(scope="module")
def flux(servers: dict[str, Server]) -> Iterator[Source]:
    server = servers["2"]
    server.write("\n".join(point.line(TYPES) for point in FEW_DAYS))
    source = open_source(server.config(query_language="flux"))
    yield source
    source.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=selections(FIELDS, only_tags_compared=True))
def test_flux(flux: Source, asked: Asked) -> None:
    check(flux, asked, [point.row for point in FEW_DAYS], DAYS, Window(BEFORE, START - timedelta(days=19)))


HOST_A = Compared("host", Operator.EQUAL, "a")


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        (HOST_A, True),
        (Not(HOST_A), True),
        (IsNull("host"), True),
        (Not(IsNull("host")), True),
        (Not(AnyOf((HOST_A, IsNull('region "é".x')))), True),
        (AnyOf((HOST_A, Compared("count", Operator.GREATER, 2**53))), True),
        (Compared("usage", Operator.GREATER, 5e-324), True),
        (Compared("usage", Operator.LESS_OR_EQUAL, 0), True),
        (Compared("state", Operator.EQUAL, ""), True),
        (Compared("up", Operator.NOT_EQUAL, True), True),
        (Compared("host", Operator.EQUAL, ""), False),
        (Compared("host", Operator.LESS, "b"), False),
        (Compared("state", Operator.LESS, "ok"), False),
        (IsNull("count"), False),
        (Compared("count", Operator.GREATER_OR_EQUAL, -(2**63)), False),
        (Compared("count", Operator.GREATER, 1.5), False),
        (All(()), False),
        (Compared("time", Operator.GREATER, 1), False),
    ],
)
def test_what_influxql_takes(influxql: Source, condition: Condition, taken: bool) -> None:
    asked = Asked(frozenset({"usage", "up"}), condition)
    assert check(influxql, asked, [point.row for point in POINTS], MONTH) is taken


@pytest.mark.parametrize(
    ("condition", "taken"),
    [
        (HOST_A, True),
        (Not(HOST_A), True),
        (IsNull("host"), True),
        (Not(AnyOf((HOST_A, IsNull('region "é".x')))), True),
        (Compared("host", Operator.LESS, "b"), False),
        (Compared("host", Operator.EQUAL, ""), False),
        (Compared("count", Operator.EQUAL, 1), False),
        (AnyOf((HOST_A, IsNull("count"))), False),
        (AnyOf(()), False),
    ],
)
def test_what_flux_takes(flux: Source, condition: Condition, taken: bool) -> None:
    asked = Asked(frozenset({"usage", "up"}), condition)
    assert check(flux, asked, [point.row for point in FEW_DAYS], DAYS) is taken


# Three weeks, each in a shard of its own.
MIXED = [
    "mixed,host=a v=1.5,other=1i {0}",
    "mixed,host=b v=2 {0}",
    "mixed v=9007199254740993i,other=2i {1}",
    "mixed,host=a v=3i {1}",
    'mixed,host=a v="text" {2}',
    "mixed,host=b other=3i {2}",
    'mixed v="" {2}',
]


@pytest.mark.parametrize(("version", "language"), [("1.6", {}), ("1.8", {}), ("2", {}), ("2", FLUX)])
def test_types_of_one_field_are_columns_of_their_own(
    servers: dict[str, Server], version: str, language: dict[str, str]
) -> None:
    name = "mixed" if language is not FLUX else "mixed_in_flux"
    # Flux does not tell of types that are neither the oldest nor the newest.
    lines = [line for line in MIXED if language is not FLUX or "{1}" not in line]
    weeks = (START_NS + week * 7 * 86_400 * 10**9 for week in range(3))
    servers[version].write("\n".join(lines).replace("mixed", name).format(*weeks))
    source = open_source(servers[version].config(**language))
    whole = source.schema(name)
    rows = rows_of(source, name, MONTH)
    assert len(rows) == len(lines)
    assert len(whole.fields) == (4 if language is not FLUX else 3)
    for count in range(1, len(whole.fields)):
        for fields in combinations(whole.fields, count):
            for tags in ((), ("host",)):
                check_projection(source, whole.select([*tags, *fields]), rows, MONTH)
    source.close()


@pytest.mark.parametrize(("version", "language"), [("1.8", {}), ("2", {}), ("2", FLUX)])
def test_what_was_selected_is_what_is_confirmed(
    servers: dict[str, Server], version: str, language: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"confirmed_{len(language)}"
    servers[version].write(
        "\n".join(f"{name},h={n % 3} {'a' if n % 2 else 'b'}={n}i {START_NS + n}" for n in range(30))
    )
    source = ReliableSource(open_source(servers[version].config(**language)), QUICK, ServerLimits())
    declared = source.schema(name)
    where = Compared("h", Operator.NOT_EQUAL, "1")
    assert source.takes(declared, where)
    schema = declared.select(["a"], where)
    assert len(read(source, schema, DAY)) == 10
    assert source.selected_counts(schema, [DAY]) == [10]
    monkeypatch.setattr("influx_lake.sources.reliable.reading._within", lambda batch, piece: batch.slice(1))
    with pytest.raises(WindowInterrupted, match=r"9 values of 'a'.* has 10"):
        read(source, schema, DAY)
    source.close()


@pytest.mark.parametrize("version", ["1.8", "2"])
def test_a_version_that_is_found_out_takes_the_same(servers: dict[str, Server], version: str) -> None:
    server = servers[version]
    server.write("\n".join(point.line(TYPES) for point in POINTS))
    found = ReliableSource(open_source(auto_config(server)), QUICK, ServerLimits())
    rows = [point.row for point in POINTS]
    assert check(found, Asked(frozenset({"usage", "host"}), Not(HOST_A)), rows, MONTH, *PARTS)
    assert not check(found, Asked(frozenset({"usage"}), IsNull("count")), rows, MONTH)
    found.close()


@pytest.mark.parametrize(("version", "language"), [("1.8", {}), ("2", {}), ("2", FLUX)])
def test_what_is_left_out_is_not_asked(
    servers: dict[str, Server], version: str, language: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"wide_{len(language)}"
    servers[version].write(
        "\n".join(
            f'{name},host=h{n % 4},room=cellar{n % 3} a={n}i,b={n}.5,c="{"long " * 9}" {START_NS + n}'
            for n in range(200)
        )
    )
    source, wire = open_source(servers[version].config(**language)), recorded(monkeypatch)
    schema = source.schema(name)
    some = schema.select(["a"], Compared("host", Operator.EQUAL, "h1"))
    read(source, schema, DAY)
    wire.clear()
    assert len(read(source, schema, DAY)) == 200
    all_bytes = wire.received
    wire.clear()
    assert len(read(source, some, DAY)) == 50
    assert wire.received < all_bytes / 6
    (sent,) = wire.sent
    assert "long" not in sent
    # In Flux all tags tell series apart.
    assert not [column for column in ("b", "c", *(() if language else ("room",))) if f'"{column}' in sent]
    source.close()


@pytest.mark.parametrize("language", [{}, FLUX])
def test_hundreds_of_fields(servers: dict[str, Server], language: dict[str, str]) -> None:
    lines = (
        f"hundreds,host=h{n} {','.join(f'f{field}={field}i' for field in range(450) if (field + n) % 3)} {START_NS + n}"
        for n in range(6)
    )
    servers["2"].write("\n".join(lines))
    source = open_source(servers["2"].config(**language))
    whole, rows = source.schema("hundreds"), rows_of(source, "hundreds", DAY)
    for count in (1, 225, 449):
        check_projection(source, whole.select(whole.fields[:count]), rows, DAY)
    source.close()


@pytest.mark.parametrize(("version", "language"), [("1.6", {}), ("1.8", {}), ("2", {}), ("2", FLUX)])
def test_a_tag_and_a_field_of_one_name(servers: dict[str, Server], version: str, language: dict[str, str]) -> None:
    servers[version].write(
        f"namesakes,x=a x=5i,y=1i {START_NS}\nnamesakes x=6i {START_NS + 1}\nnamesakes,x=b y=2i {START_NS + 2}"
    )
    source = open_source(servers[version].config(**language))
    whole, rows = source.schema("namesakes"), rows_of(source, "namesakes", DAY)
    assert [*whole.types] == ["time", "x", "x__field", "y"]
    for where in (
        Compared("x", Operator.EQUAL, "a"),
        Compared("x", Operator.NOT_EQUAL, "a"),
        IsNull("x"),
        Compared("x__field", Operator.GREATER, 5),
        AnyOf((Compared("x__field", Operator.EQUAL, 5), Compared("x", Operator.EQUAL, "b"))),
    ):
        for names in (["x"], ["x__field"], ["y"], ["x", "y"]):
            schema = whole.select(names, where if source.takes(whole, where) else None)
            if schema.fields:
                check_projection(source, schema, rows, DAY)
    source.close()
