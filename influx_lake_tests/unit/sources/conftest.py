from collections.abc import Iterator

import pytest

from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.unit.sources.scripted_server import ScriptedServer, source_at


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def source(server: ScriptedServer) -> Iterator[InfluxDB3Source]:
    source = source_at(f"http://127.0.0.1:{server.port}")
    yield source
    source.close()
