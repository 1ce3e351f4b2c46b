"""Determines what is still proved of a table's current snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from influx_lake.iceberg.columns.known_columns import actual, as_known, is_shared, share_of
from influx_lake.iceberg.proofs.changed_time import changed_since
from influx_lake.iceberg.proofs.record import Proofs, name_of, recorded_proofs, recording, share_named
from influx_lake.iceberg.table_state.current_state import table_state, time_id_of

if TYPE_CHECKING:
    from pyiceberg.table import Table


def current_proofs(table: Table | None) -> Proofs:
    """The proofs of a table's viewed rows that still hold, after all changes since.

    They no longer hold for windows that were loaded again, in which another tool changed files, or in which rows were
    erased; for windows that the table no longer holds; and for snapshots that the table was rolled back from.
    Maintenance changes no row, and so no proof.

    Args:
        table: The table, under the names that loads know; None where there is none.

    Raises:
        StorageError: Manifests that are needed for it cannot be read.
    """
    if table is None:
        return Proofs()
    share, recorded = share_of(table), recorded_proofs(table.metadata)
    # A table that was to hold several measurements and holds one has its record, whatever its share is called.
    is_whole = share is None and not is_shared(table.metadata)
    name = next(iter(recorded)) if is_whole and len(recorded) == 1 else name_of(share)
    proofs = recorded.get(name, Proofs())
    current = table.metadata.current_snapshot_id
    if not proofs.ranges:
        return replace(proofs, as_of=current)
    state = table_state(table)
    if proofs.as_of != current:
        since = changed_since(table, proofs.as_of or 0, time_id_of(table, state))
        for change in since.changes:
            proofs = proofs.losing(change.windows, change.why)
        undone = [each.window for each in proofs.ranges if each.snapshot_id in since.undone]
        proofs = proofs.losing(undone, "the table was set back to a snapshot from before it")
    gone = [part for window in proofs.valid for part in state.coverage.gaps(window)]
    return replace(proofs.losing(gone, "the table no longer holds it as a whole"), as_of=current)


def current_proofs_property(table: Table) -> dict[str, str]:
    """The property with the proofs of all measurements that still hold, to be set when snapshots expire.

    Args:
        table: The table.
    """
    found = {
        name: current_proofs(as_known(actual(table), share=share_named(name)))
        for name in recorded_proofs(table.metadata)
    }
    return recording(table.metadata, found)
