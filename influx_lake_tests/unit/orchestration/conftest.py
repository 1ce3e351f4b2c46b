from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from influx_lake.orchestration.resources import IcebergCatalogResource
from influx_lake_tests.unit.orchestration.fakes import Lake


@pytest.fixture
def catalog(tmp_path: Path) -> IcebergCatalogResource:
    return IcebergCatalogResource(
        properties={"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"{tmp_path}/warehouse"}
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def lake(catalog: IcebergCatalogResource, instance: dg.DagsterInstance) -> Lake:
    return Lake(catalog, instance)
