import os
from collections.abc import Iterator

import pytest

from influx_lake.config.connections import Protocol
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.contract.influxdb3_server import Database, Server
from testbed.influxdb3_core import VARIABLE, influxdb3_core

URL = os.environ.get("INFLUX_LAKE_TEST_INFLUXDB3_URL")
CORE = pytest.param("core", marks=pytest.mark.servers)
SERVERS = ["named"] if URL else ["sandbox", *([CORE] if os.environ.get(VARIABLE) else [])]


@pytest.fixture(scope="package", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if request.param == "named":
        yield Server(str(URL).rstrip("/"), os.environ.get("INFLUX_LAKE_TEST_INFLUXDB3_TOKEN"))
    elif request.param == "core":
        with influxdb3_core(tmp_path_factory.mktemp("core")) as core:
            yield Server(core.url, core.token)
    else:
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
