"""The state that a commit records in its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.own_properties import uuid_property
from influx_lake.iceberg.table_state.changes import MEASUREMENT
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.current_state import (
    states_of_shares,
    states_to_carry_over,
    table_state,
)
from influx_lake.iceberg.table_state.lineage import Lineage, is_ours
from influx_lake.iceberg.table_state.state import TableState
from influx_lake.iceberg.table_state.state_encoding import MOST_CHARACTERS, SUMMARY, States, properties, summary_text
from influx_lake.iceberg.target import Provenance, TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table

OTHERS = "influx-lake.changed-by-others"
"""The property of a snapshot's summary with the changes by other tools since the load before."""


@dataclass(frozen=True, slots=True)
class Record:
    """The state that a commit records.

    Attributes:
        summary: Properties of its snapshot's summary, which last as long as the snapshot.
        properties: Table properties, which hold for the table's last commit.
    """

    summary: dict[str, str]
    properties: dict[str, str]


def record(
    table: Table,
    coverage: Coverage,
    target: TableTarget,
    provenance: Provenance,
    time_id: int | None,
    window: Window,
    *,
    keeps_rows: bool,
    replaces: bool,
) -> Record:
    """The state that a commit of rows records.

    Args:
        table: The table that the commit was planned on, with the share of the load.
        coverage: The coverage afterwards.
        target: The table as its writer wants it.
        provenance: The origin of the rows.
        time_id: The field id of the time column.
        window: The window that was loaded.
        keeps_rows: Whether rows of the window are kept that were not among those loaded.
        replaces: Whether all rows of the window are now the source's.
    """
    known = table_state(table)
    replaced = window if replaces and coverage.holds(window) else None
    state = known.following(
        coverage,
        replaced,
        keeps_rows=keeps_rows,
        owner=provenance.owner,
        tags=target.tags,
        time_id=time_id,
        definition=target.definition,
    )
    share = share_of(table)
    states: dict[str | None, TableState] = {None: state}
    if share is not None:
        states = {value: each.settled() for value, each in states_of_shares(table).items()}
        states[share.value] = state
    summary = {SUMMARY: summary_text(states, _base(table))}
    if share is not None:
        summary[MEASUREMENT] = share.value
    if known.changes:
        summary[OTHERS] = "; ".join(map(str, known.changes))[:MOST_CHARACTERS]
    changed = properties(states, table.metadata.properties) | uuid_property(table.metadata)
    return Record(summary, changed)


def carried_over(table: Table, change: Callable[[str | None, TableState], TableState]) -> Record | None:
    """The state that a commit of no load records: the state so far, so that it outlives the snapshots of loads.

    Args:
        table: The whole table that the commit was planned on.
        change: Computes the new state, of each measurement by its name in a shared table.

    Returns:
        None where there is nothing to record: no load of ours wrote the table, or other tools changed it; see
            `states_to_carry_over`.
    """
    known = states_to_carry_over(table)
    if known is None:
        return None
    states = {share: change(share, state.settled()) for share, state in known.items()}
    summary = {SUMMARY: summary_text(states, _base(table))}
    others = [str(each) for state in known.values() for each in state.changes]
    if others:
        summary[OTHERS] = "; ".join(others)[:MOST_CHARACTERS]
    return Record(summary, properties(states, table.metadata.properties) | uuid_property(table.metadata))


def _base(table: Table) -> tuple[int, States] | None:
    """The nearest ancestor that records the complete state."""
    lineage, snapshot = Lineage(table), table.current_snapshot()
    ours = next(filter(is_ours, lineage.line(snapshot)), None) if snapshot else None
    return lineage.base_of(ours) if ours else None
