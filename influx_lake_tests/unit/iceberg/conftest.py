from __future__ import annotations

from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.iceberg.catalogs.opening import open_catalog


@pytest.fixture
def lake_folder(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def properties(lake_folder: Path) -> dict[str, str]:
    return {
        "type": "sql",
        "uri": f"sqlite:///{lake_folder}/catalog.db",
        "warehouse": str(lake_folder / "warehouse"),
    }


@pytest.fixture
def catalog(properties: dict[str, str]) -> Catalog:
    return open_catalog("lake", properties)
