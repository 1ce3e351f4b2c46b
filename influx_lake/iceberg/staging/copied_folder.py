"""Detects copied lakes: the metadata in a copied folder references the original's files by absolute paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from influx_lake.errors import CopiedTable

if TYPE_CHECKING:
    from pyiceberg.table import Table

_FILE = "file://"


def check_not_copied(table: Table, name: str) -> None:
    """Check that a table's files do not belong to another lake, of whose folder this lake's is a copy.

    A table may lie anywhere outside its catalog's warehouse. This lake is a copy if the warehouse nevertheless has a
    folder with the table's name and metadata of the same table (the same UUID).

    Args:
        table: The table.
        name: The table's name, for messages.

    Raises:
        CopiedTable: They do.
    """
    warehouse = _local(str(table.catalog.properties.get("warehouse", "")))
    location = _local(table.location())
    if warehouse is None or location is None or location.is_relative_to(warehouse):
        return
    if location.resolve().is_relative_to(warehouse.resolve()):
        return
    # The folders of the namespace and of the table.
    here = warehouse.joinpath(*location.parts[-2:])
    if here.resolve() != location.resolve() and _has_table(here, str(table.metadata.table_uuid)):
        raise CopiedTable(
            f"the files of {name} are those of another lake: its metadata name {location}, and this lake's warehouse "
            f"{warehouse} has a copy of it. What is written here would go to the other lake's folder",
            remedy="Iceberg names files by absolute paths, so a copied folder is no second lake. Use the original; "
            "or remove the copied catalog and warehouse (`.lake`) and load again; or, where the original is not needed "
            "any more, remove it and link its place to the copy: ln -s COPY ORIGINAL",
        )


def _local(place: str) -> Path | None:
    path = place.removeprefix(_FILE)
    return Path(path) if path.startswith("/") else None


def _has_table(folder: Path, uuid: str) -> bool:
    newest = max((folder / "metadata").glob("*.metadata.json"), default=None)
    try:
        return newest is not None and json.loads(newest.read_bytes()).get("table-uuid") == uuid
    except (OSError, ValueError):
        # Compressed or unreadable metadata cannot show that it is a copy.
        return False
