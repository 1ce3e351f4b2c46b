"""Views a table as of another snapshot than its current one."""

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
    """View a table with a snapshot as its current one, and no other branch or tag: reading, counting and recorded state
    then concern that snapshot. The schema is the table's, as for every branch.

    Args:
        table: The table, under its own names.
        snapshot: One of its snapshots.
        catalog: The catalog for commits to the view; None for a view that is only read.
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
