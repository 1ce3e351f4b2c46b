"""Which measurements a table holds, and what is known of one of them."""

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
"""The one measurement of tables that none was loaded into as one of several, by metadata file, snapshot and column."""
_lock = Lock()


def state_of_share(states: States, table: Table) -> TableState:
    """What is known of the measurement whose rows of a table are looked at, or of the whole table.

    A table that was one measurement's is still that one's share, if the name of the measurement is in all of its rows.
    """
    share = share_of(table)
    if share is None:
        # Of a table that was to hold several measurements, and holds one, nothing has to be told apart.
        return states[None] if None in states else next(iter(states.values())) if len(states) == 1 else TableState()
    if None in states:
        return states[None] if sole_measurement(table, share.column) == share.value else TableState()
    return states.get(share.value, TableState())


def as_share(table: Table, value: str) -> Table:
    """A table of which a measurement's rows are looked at, as one of which another's are."""
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
    """The one value that a column which distinguishes measurements has in a table; None where there are several."""
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
    """Whether there are rows in a table of those that are looked at."""
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
