"""Restates a table's properties for another snapshot than the last commit, when the table is set to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.iceberg.table_state import commit_log
from influx_lake.iceberg.table_state.lineage import Lineage, is_ours
from influx_lake.iceberg.table_state.state_encoding import properties

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


def restated(table: Table, snapshot: Snapshot) -> dict[str, str]:
    """The properties to change when a table is set to a snapshot: those of the nearest load among its ancestors.

    With them, the table is as the load left it.

    Args:
        table: The table.
        snapshot: The snapshot; its ancestors may have expired.

    Returns:
        Nothing where it descends from no load of ours, or where the state of that load is no longer recorded.
    """
    lineage = Lineage(table)
    ours = next(filter(is_ours, lineage.line(snapshot)), None)
    states = lineage.states_at(ours) if ours is not None else None
    if ours is None or states is None:
        return {}
    return {
        **properties(states, table.metadata.properties),
        commit_log.PROPERTY: commit_log.recording(table, ours.snapshot_id),
    }
