"""The commits that a table took recently, kept in the table, so that one is found even if its snapshot expired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table import Table

PROPERTY = "influx-lake.recent-commits"
"""The table property, written in the same commit: snapshot ids in hexadecimal, the newest last."""
KEPT = 64
"""The number kept: a kilobyte of metadata, and more commits than a table takes until an unknown outcome is settled."""


def recording(table: Table, snapshot_id: int) -> str:
    """The value of the property with one more commit."""
    return ",".join([*_recorded(table.metadata.properties), f"{snapshot_id:x}"][-KEPT:])


def last(properties: Mapping[str, str]) -> int | None:
    """The latest commit of ours, for which our other properties were written; None where there was none."""
    recorded = _recorded(properties)
    return int(recorded[-1], 16) if recorded else None


def has_taken(table: Table, snapshot_id: int) -> bool:
    """Whether a table took a commit recently, or still has its snapshot."""
    metadata = table.metadata
    return f"{snapshot_id:x}" in _recorded(metadata.properties) or metadata.snapshot_by_id(snapshot_id) is not None


def _recorded(properties: Mapping[str, str]) -> list[str]:
    return [part for part in properties.get(PROPERTY, "").split(",") if part]
