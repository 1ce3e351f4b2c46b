from __future__ import annotations

from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.unit.replication.fake_source import FakeSource


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"{tmp_path}/w"})


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()
