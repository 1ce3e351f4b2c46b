"""The measurements of a table, and the state of one of them."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING

from influx_lake.config.tables.shared_tables import Share
from influx_lake.iceberg.columns.known_columns import SHARES, as_known, holds_rows, share_of
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.own_properties import own_properties
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.share_files import of_share, only_of_share, sole_value
from influx_lake.iceberg.table_state.state import TableState
from influx_lake.iceberg.table_state.state_encoding import States

if TYPE_CHECKING:
    from pyiceberg.table import Table

_REMEMBERED = 256
_sole: dict[tuple[str, int | None, str], str | None] = {}
"""The cached measurement of tables that were not loaded as shared ones, by metadata file, snapshot and column."""
_lock = Lock()


def state_of_share(states: States, table: Table) -> TableState:
    """The state of the viewed measurement of a table, or of the whole table.

    A table that held a single measurement counts as its share if all of its rows have the measurement's name.
    """
    share = share_of(table)
    if share is None:
        # In a table that was to hold several measurements and holds one, there is nothing to distinguish.
        return states[None] if None in states else next(iter(states.values())) if len(states) == 1 else TableState()
    if None in states:
        return states[None] if sole_measurement(table, share.column) == share.value else TableState()
    return states.get(share.value, TableState())


def as_share(table: Table, value: str) -> Table:
    """View a table with another measurement's share."""
    share = share_of(table)
    assert share is not None
    return as_known(table, share=Share(share.column, value))


def shares_in(table: Table) -> tuple[str, ...]:
    """The measurements that were loaded into a table that may hold several."""
    share, stated = share_of(table), own_properties(table.metadata).get(SHARES)
    if stated:
        return tuple(json.loads(stated))
    value = sole_measurement(table, share.column) if share is not None else None
    return () if value is None else (value,)


def sole_measurement(table: Table, column: str) -> str | None:
    """The only value of the column that distinguishes a table's measurements; None where it has several."""
    key = (str(table.metadata_location), table.metadata.current_snapshot_id, column)
    with _lock:
        if key in _sole:
            return _sole[key]
    value_of = sole_value(table, column)
    with catalog_errors(f"find out which measurements {'.'.join(table.name())} holds"):
        found = {value_of(task.file) for task in planned_files(table.scan())}
    value = next(iter(found)) if len(found) == 1 else None
    with _lock:
        if len(_sole) >= _REMEMBERED:
            del _sole[next(iter(_sole))]
        _sole[key] = value
    return value


def holds_rows_of(table: Table) -> bool:
    """Whether a table has viewed rows."""
    from influx_lake.config.values.source_schema import TIME
    from influx_lake.iceberg.scan.reader import read_tasks
    from influx_lake.iceberg.scan.row_filter import RowFilter

    share = share_of(table)
    if share is None or not holds_rows(table):
        return holds_rows(table)
    whole, wanted = only_of_share(table), RowFilter(None, TIME, share)
    with catalog_errors(f"look for rows of {share.value} in {'.'.join(table.name())}"):
        tasks = planned_files(table.scan(row_filter=of_share(table, share)))
    if any(whole(task.file) and not task.delete_files for task in tasks):
        return True
    if not tasks:
        return False
    return any(len(batch) for batch in read_tasks(table, tasks, wanted, table.schema().select(share.column)))
