"""Rolls a table back to an earlier snapshot, with the state that was recorded for it."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import parse_moment, utc_text
from influx_lake.errors import CommitConflict, ConfigurationError
from influx_lake.iceberg.history.ref_commit import RefChange, commit_refs
from influx_lake.iceberg.history.snapshot_view import MAIN
from influx_lake.iceberg.history.updates import property_updates, ref_requirement, set_ref
from influx_lake.iceberg.table_state.changes import BRANCH, summary_of
from influx_lake.iceberg.table_state.lineage import line_there
from influx_lake.iceberg.table_state.state_at_snapshot import restated

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


def named_snapshot(text: str) -> int | str | datetime:
    """Parse a reference for `snapshot_at`: a snapshot's id, a date or time, or a branch or tag."""
    if text.isdecimal():
        return int(text)
    try:
        return parse_moment(text)
    except ValueError:
        return text


def snapshot_at(table: Table, where: int | str | datetime) -> Snapshot:
    """Resolve a reference to a snapshot of a table.

    Args:
        table: The table.
        where: The id of the snapshot, a branch or tag, or a time: the snapshot that readers got then.

    Raises:
        ConfigurationError: There is no such snapshot, or it expired.
    """
    metadata, name = table.metadata, ".".join(table.name())
    remedy = f"See what it has: {shlex.join(['influx-lake', 'history', name, '--all'])}"
    if isinstance(where, datetime):
        millis = where.timestamp() * 1000
        found = next((each for each in reversed(metadata.snapshot_log) if each.timestamp_ms <= millis), None)
        if found is None:
            raise ConfigurationError(
                f"{name} had no snapshot at {utc_text(where)} that is still known",
                remedy=remedy,
            )
        snapshot_id = found.snapshot_id
    elif isinstance(where, str):
        ref = metadata.refs.get(where)
        if ref is None:
            raise ConfigurationError(f"{name} has no branch or tag {where!r}", remedy=remedy)
        snapshot_id = ref.snapshot_id
    else:
        snapshot_id = where
    snapshot = metadata.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise ConfigurationError(
            f"{name} has no snapshot {snapshot_id}: there never was one, or it expired",
            remedy=remedy,
        )
    return snapshot


def check_was_read(table: Table, snapshot: Snapshot) -> None:
    """Check that a snapshot does not wait on a branch: such snapshots become visible by publishing their branch.

    Raises:
        ConfigurationError: It does, and readers of the table never got it.
    """
    metadata = table.metadata
    tagged = {ref.snapshot_id for ref in metadata.refs.values() if ref.snapshot_ref_type == "tag"}
    was_read = {entry.snapshot_id for entry in metadata.snapshot_log} | set(line_there(metadata)) | tagged
    if BRANCH in summary_of(snapshot) and snapshot.snapshot_id not in was_read:
        raise ConfigurationError(
            f"readers of {'.'.join(table.name())} never got snapshot {snapshot.snapshot_id}: it is of a branch",
            remedy="To make a branch visible: influx-lake publish",
        )


def roll_back(catalog: Catalog, identifier: tuple[str, ...], snapshot: Snapshot, current: int | None) -> None:
    """Set a table back to an earlier snapshot, with the state that was recorded for it.

    Loads under way are planned again on that snapshot. The snapshots after it stay until they expire, so that the
    rollback can be undone by rolling back to the newest of them.

    Args:
        catalog: The catalog.
        identifier: The table.
        snapshot: The snapshot.
        current: The snapshot that readers got when the rollback was decided.

    Raises:
        CommitConflict: The table has another current snapshot by now.
        CommitError: It could not be committed.
    """

    def plan(table: Table, again: bool) -> RefChange | None:
        head = table.metadata.current_snapshot_id
        if head == snapshot.snapshot_id or (again and current not in line_there(table.metadata)):
            return None
        if head != current:
            raise CommitConflict(
                f"{'.'.join(identifier)} was committed to meanwhile: it is at snapshot {head}, and no longer {current}",
                remedy="Look at the new snapshots (influx-lake history), and roll back again",
            )
        return RefChange(
            (set_ref(MAIN, snapshot.snapshot_id), *property_updates(restated(table, snapshot))),
            tuple(ref_requirement(MAIN, head, table)),
        )

    commit_refs(catalog, identifier, plan, f"roll {'.'.join(identifier)} back to {snapshot.snapshot_id}")
