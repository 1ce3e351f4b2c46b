"""Some columns and rows, asked of real InfluxDB 1 and 2, are what plain Python makes of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from influx_lake.config.values.conditions import All, AnyOf, Compared, Condition, IsNull, Not, Operator
from influx_lake.config.values.windows import Window
from influx_lake.sources import Source, open_source
from influx_lake_tests.integration.sources.influxdb_points import START, START_NS, servers
from testbed.influxdb_servers import Server
from testbed.selections import FIELDS, Asked, check, points, selections

__all__ = ["servers"]

pytestmark = pytest.mark.servers

# Several shards: 240 points, three of a time, in 30 days.
POINTS = points(START_NS, 9 * 3600 * 10**9, FIELDS)
TYPES = {name: kind for name, (kind, _) in FIELDS.items()}
MONTH = Window(START, START + timedelta(days=31))
PARTS = [Window(START, START + timedelta(days=10)), Window(START + timedelta(days=10), MONTH.end)]


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
