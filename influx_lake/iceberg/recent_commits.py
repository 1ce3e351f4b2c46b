"""Which commits a table took lately, kept in the table itself, so that one is found also when its snapshot expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table import Table

PROPERTY = "influx-lake.recent-commits"
"""The table property, written in the same commit: snapshot ids in hexadecimal, the newest last."""
KEPT = 64
"""How many: a kilobyte of metadata, and more commits than a table takes while an outcome is being found out."""


def recording(table: Table, snapshot_id: int) -> str:
    """The property's value with one more commit."""
    return ",".join([*_recorded(table), f"{snapshot_id:x}"][-KEPT:])


def has_taken(table: Table, snapshot_id: int) -> bool:
    """Whether a table took a commit lately, or still has its snapshot."""
    return f"{snapshot_id:x}" in _recorded(table) or table.metadata.snapshot_by_id(snapshot_id) is not None


def _recorded(table: Table) -> list[str]:
    return [part for part in table.metadata.properties.get(PROPERTY, "").split(",") if part]
