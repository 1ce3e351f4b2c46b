"""Builds updates of a table's branches, tags and properties, and their requirements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from influx_lake.iceberg.history.snapshot_view import MAIN

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableRequirement, TableUpdate


def set_ref(name: str, snapshot_id: int, *, tag: bool = False, max_age_ms: int | None = None) -> TableUpdate:
    """The update that creates a branch or tag, or moves it.

    Args:
        name: Its name.
        snapshot_id: The snapshot that it is put at.
        tag: Create a tag.
        max_age_ms: The age of the snapshot at which an expiry removes the branch or tag; None: it is kept for ever.
    """
    from pyiceberg.table.update import SetSnapshotRefUpdate

    kind = "tag" if tag else "branch"
    kept = {} if max_age_ms is None else {"max-ref-age-ms": max_age_ms}
    return SetSnapshotRefUpdate.model_validate({"ref-name": name, "snapshot-id": snapshot_id, "type": kind, **kept})


def remove_ref(name: str) -> TableUpdate:
    """The update that removes a branch or tag."""
    from pyiceberg.table.update import RemoveSnapshotRefUpdate

    return RemoveSnapshotRefUpdate.model_validate({"ref-name": name})


def property_updates(properties: Mapping[str, str]) -> list[TableUpdate]:
    """The update that sets properties; empty where there are none."""
    from pyiceberg.table.update import SetPropertiesUpdate

    return [SetPropertiesUpdate(updates=dict(properties))] if properties else []


def ref_requirement(name: str, snapshot_id: int | None, table: Table) -> Sequence[TableRequirement]:
    """The requirement that a branch or tag is at a snapshot; None: that there is none of this name."""
    from pyiceberg.table.update import AssertRefSnapshotId

    if not table.metadata.snapshots and name != MAIN:
        # For a table without snapshots, pyiceberg allows no requirements on other branches.
        return ()
    return (AssertRefSnapshotId.model_validate({"ref": name, "snapshot-id": snapshot_id}),)
