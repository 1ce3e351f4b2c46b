"""What a server refuses is told apart, and never looks like a window without rows."""

from contextlib import closing
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from influx_lake.config import InfluxDB3Config
from influx_lake.config.values.source_schema import Column, ColumnType, MeasurementSchema, Role
from influx_lake.config.values.windows import Window
from influx_lake.errors import AuthenticationFailed, DatabaseNotFound, LakeError, MeasurementNotFound, QueryRejected
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake.sources.influxdb3.failures import Failures
from influx_lake.sources.influxdb3.http_queries import HttpQueries
from influx_lake_tests.contract.influxdb3_server import Database, Server

DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
TIME = Column("time", Role.TIME, ColumnType.TIME)
POINT = "here v=1 1767225600000000000"
WRONG = "apiv3_wrong-token"


def asked(source: InfluxDB3Source, measurement: str) -> list[LakeError]:
    """The errors of all questions about a measurement."""
    errors = []
    for ask in (
        lambda: source.schema(measurement),
        lambda: source.count(measurement, DAY),
        lambda: source.read(MeasurementSchema(measurement, (TIME,)), DAY).__enter__(),
    ):
        with pytest.raises(LakeError) as caught:
            ask()
        errors.append(caught.value)
    return errors


def test_the_server_says_who_it_is(database: Database, source: InfluxDB3Source) -> None:
    database.write(POINT)
    info = source.server()
    assert info.product
    assert info.version != "unknown"


def test_a_wrong_token(server: Server, database: Database) -> None:
    if server.token is None:
        pytest.skip("the server asks for no token")
    database.write(POINT)
    errors = asked(server.source(database.name, WRONG), "here")
    assert [type(error) for error in errors] == [AuthenticationFailed] * 3
    assert not any(WRONG in str(error) for error in errors)


def test_no_token(server: Server, database: Database) -> None:
    if server.token is None:
        pytest.skip("the server asks for no token")
    source = InfluxDB3Source(InfluxDB3Config(host=server.url, database=database.name))
    with pytest.raises(AuthenticationFailed, match="none is configured"):
        source.server()


@pytest.mark.parametrize(
    "statement",
    [
        "select nope from here",
        "select cast('x' as bigint) from here",
        "select v from here where time > 'abc'",
        "select here.v from here, here",
        "selec",
    ],
)
def test_a_statement_that_is_refused_is_not_tried_again(database: Database, statement: str) -> None:
    database.write(POINT)
    config = InfluxDB3Config(host=database.server.url, database=database.name, token=database.server.token)
    # Over HTTP many of them are status 500, as if the server had failed.
    with closing(HttpQueries(config)) as queries, pytest.raises(QueryRejected) as caught:
        queries.table(statement, Failures(config), pa.schema([("v", pa.float64())]))
    assert not caught.value.transient


def test_a_database_that_never_was(server: Server) -> None:
    source = server.source("influx_lake_contract_never")
    assert [type(error) for error in asked(source, "here")] == [DatabaseNotFound] * 3
    with pytest.raises(DatabaseNotFound, match="influx_lake_contract_never"):
        source.measurements()
    with pytest.raises(DatabaseNotFound):
        source.server()


def test_a_database_that_is_gone(server: Server) -> None:
    with server.database() as database:
        database.write(POINT)
        source = database.source()
        assert source.count("here", DAY) == 1
        database.drop()
        assert [type(error) for error in asked(source, "here")] == [DatabaseNotFound] * 3


@pytest.mark.parametrize("name", ["nothing", 'o\'brien "y"', "database not found: x", "exceeding the file limit"])
def test_a_measurement_that_never_was(name: str, database: Database, source: InfluxDB3Source) -> None:
    database.write(POINT)
    errors = asked(source, name)
    assert [type(error) for error in errors] == [MeasurementNotFound] * 3
    assert all(error.measurement == name for error in errors)


def test_a_measurement_that_is_gone(database: Database, source: InfluxDB3Source) -> None:
    database.write("leaving v=1 1767225600000000000")
    assert source.count("leaving", DAY) == 1
    database.drop_measurement("leaving")
    assert "leaving" not in source.measurements()
    assert [type(error) for error in asked(source, "leaving")] == [MeasurementNotFound] * 3


def test_a_column_that_does_not_exist(database: Database, source: InfluxDB3Source) -> None:
    database.write(POINT)
    imagined = MeasurementSchema("here", (TIME, Column("w", Role.FIELD, ColumnType.FLOAT)))
    with pytest.raises(QueryRejected, match="w") as caught, source.read(imagined, DAY):
        pass
    assert (caught.value.measurement, caught.value.window) == ("here", str(DAY))


def test_a_database_without_measurements(server: Server) -> None:
    with server.database() as database:
        database.create()
        assert database.source().measurements() == []
