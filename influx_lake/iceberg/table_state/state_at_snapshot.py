"""A table's properties say what is known of it for the last commit; here, for another snapshot that is read then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influx_lake.iceberg.table_state import commit_log
from influx_lake.iceberg.table_state.lineage import Lineage, is_ours
from influx_lake.iceberg.table_state.state_encoding import properties

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


def restated(table: Table, snapshot: Snapshot) -> dict[str, str]:
    """The properties that go with a snapshot, as far as they differ: those of the nearest load that led to it.

    With them, a table that reads this snapshot is as a load of ours left it.

    Args:
        table: The table.
        snapshot: The snapshot; none of its ancestors need to be there.

    Returns:
        Nothing where no load of ours led to it, or what it recorded is gone.
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
