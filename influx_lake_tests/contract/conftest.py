import os
from collections.abc import Iterator

import pytest

from influx_lake.config.connections import Protocol
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.contract.influxdb3_server import Database, Server


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    url = os.environ.get("INFLUX_LAKE_TEST_INFLUXDB3_URL")
    if url:
        yield Server(url.rstrip("/"), os.environ.get("INFLUX_LAKE_TEST_INFLUXDB3_TOKEN"))
        return
    with Sandbox() as box:
        yield Server(box.url, box.token)


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[Database]:
    with server.database() as database:
        yield database


@pytest.fixture(scope="module", params=list(Protocol))
def source(database: Database, request: pytest.FixtureRequest) -> Iterator[InfluxDB3Source]:
    source = database.source(request.param)
    yield source
    source.close()
