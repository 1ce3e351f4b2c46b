from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from influx_lake.orchestration.resources import IcebergCatalogResource
from influx_lake_tests.unit.orchestration.fakes import Lake


@pytest.fixture
def catalog_resource(properties: dict[str, str]) -> IcebergCatalogResource:
    return IcebergCatalogResource(properties=properties)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def lake(catalog_resource: IcebergCatalogResource, instance: dg.DagsterInstance) -> Lake:
    return Lake(catalog_resource, instance)
