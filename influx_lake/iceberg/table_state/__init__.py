"""The recorded state of a table: coverage, owner, tags.

It is recorded in the summary of each snapshot of ours, so that it rolls back, branches and expires with the rows.
Changes by other tools since are taken into account: see `table_state`.
"""

from __future__ import annotations

from influx_lake.iceberg.table_state.changes import ForeignChange, Kind
from influx_lake.iceberg.table_state.current_state import table_state
from influx_lake.iceberg.table_state.state import TableState

__all__ = ["ForeignChange", "Kind", "TableState", "table_state"]
