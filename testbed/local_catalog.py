"""A catalog in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def local_properties(folder: Path | str) -> dict[str, str]:
    """The properties of a SQLite catalog, with its warehouse beside it."""
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"{folder}/warehouse"}


def local_catalog(folder: Path | str) -> Catalog:
    """Open it."""
    from influx_lake.iceberg.catalogs.opening import open_catalog

    return open_catalog("lake", local_properties(folder))
