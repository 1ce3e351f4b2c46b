"""What a commit writes of what is known of its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.own_properties import naming_table
from influx_lake.iceberg.table_state.changes import MEASUREMENT
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.current_state import states_of_shares, states_to_carry_on, table_state
from influx_lake.iceberg.table_state.lineage import Lineage, is_ours
from influx_lake.iceberg.table_state.state import TableState
from influx_lake.iceberg.table_state.state_encoding import MOST_CHARACTERS, SUMMARY, States, properties, summary_text
from influx_lake.iceberg.target import Provenance, TableTarget

if TYPE_CHECKING:
    from pyiceberg.table import Table

OTHERS = "influx-lake.changed-by-others"
"""The property of a snapshot's summary with what others did between the load before and this one."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a commit writes.

    Attributes:
        summary: In the summary of its snapshot, which keeps it as long as the snapshot is there.
        properties: In properties of the table, which say it for the table's last commit.
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
    """What a commit of rows writes.

    Args:
        table: The table as the commit was planned on, with the rows that the load has of it.
        coverage: Which time it holds afterwards.
        target: The table as its writer wants it.
        provenance: Where the rows come from.
        time_id: The field id of the column that places a row in a window.
        window: The time that it is a load of.
        keeps_rows: Whether rows of that time that did not come stay.
        replaces: Whether all that came for that time is now the source's.
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
    changed = properties(states, table.metadata.properties) | naming_table(table.metadata)
    return Record(summary, changed)


def carried_on(table: Table, change: Callable[[str | None, TableState], TableState]) -> Record | None:
    """What a commit writes that is no load: what is known already, so that it outlives the snapshots of loads.

    Args:
        table: The whole table as the commit was planned on.
        change: What becomes of what is known, of each measurement by its name in a shared table.

    Returns:
        None where there is nothing to say: the table is nobody's of us, or others changed it; see `states_to_carry_on`.
    """
    known = states_to_carry_on(table)
    if known is None:
        return None
    states = {share: change(share, state.settled()) for share, state in known.items()}
    summary = {SUMMARY: summary_text(states, _base(table))}
    others = [str(each) for state in known.values() for each in state.changes]
    if others:
        summary[OTHERS] = "; ".join(others)[:MOST_CHARACTERS]
    return Record(summary, properties(states, table.metadata.properties) | naming_table(table.metadata))


def _base(table: Table) -> tuple[int, States] | None:
    """The nearest ancestor that holds the state whole."""
    lineage, snapshot = Lineage(table), table.current_snapshot()
    ours = next(filter(is_ours, lineage.line(snapshot)), None) if snapshot else None
    return lineage.base_of(ours) if ours else None
