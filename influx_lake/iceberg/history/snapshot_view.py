"""A table as another snapshot than the one that is read has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.iceberg.columns.known_columns import actual
from influx_lake.iceberg.table_state.state_at_snapshot import restated

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

MAIN = "main"


def as_of(table: Table, snapshot: Snapshot, catalog: Catalog | None = None) -> Table:
    """The table with a snapshot as its current one, and no other branch or tag: what is read, counted and known of it
    is then that snapshot's. Its schema is the table's, as with every branch.

    Args:
        table: The table, under its own names.
        snapshot: One of its snapshots.
        catalog: What commits to the view go to; None for one that is only read.
    """
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.refs import SnapshotRef

    table = actual(table)
    head = SnapshotRef.model_validate({"snapshot-id": snapshot.snapshot_id, "type": "branch"})
    metadata = table.metadata.model_copy(
        update={
            "current_snapshot_id": snapshot.snapshot_id,
            "refs": {MAIN: head},
            "properties": {**table.metadata.properties, **restated(table, snapshot)},
        }
    )
    return IcebergTable(
        table.name(), metadata, table.metadata_location, table.io, catalog or table.catalog, table.config
    )
