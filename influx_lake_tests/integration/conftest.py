from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from influx_lake.config import InfluxDB3Config, Secret
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.sandbox import Sandbox
from influx_lake.sources.influxdb3 import InfluxDB3Source
from influx_lake_tests.integration.typed_lake import TypedLake


@pytest.fixture
def typed_lake(tmp_path: Path) -> Iterator[TypedLake]:
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"}
    with Sandbox() as box:
        source = InfluxDB3Source(InfluxDB3Config(host=box.url, database="telemetry", token=Secret(str(box.token))))
        yield TypedLake(box, source, open_catalog("lake", properties))
        source.close()
