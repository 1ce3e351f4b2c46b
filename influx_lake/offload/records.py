"""Records the states of an off-load in the table: being deleted, deleted; and tags the snapshots that prove it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.errors import NotOffloadable
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.commit.metadata_commit import commit_metadata
from influx_lake.iceberg.history.ref_commit import RefChange, commit_refs
from influx_lake.iceberg.history.updates import property_updates, ref_requirement, set_ref
from influx_lake.iceberg.own_properties import uuid_property
from influx_lake.iceberg.proofs.changed_time import changed_since
from influx_lake.iceberg.proofs.offloaded import TAG_PREFIX, Offloaded, merge_adjacent, offloaded_from, recording
from influx_lake.iceberg.proofs.valid_proofs import current_proofs
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.current_state import time_id_of
from influx_lake.iceberg.target import TableTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.table.update import TableUpdate

_MILLISECOND = timedelta(milliseconds=1)
_SLACK = timedelta(hours=1)


def tag_snapshot(catalog: Catalog, measurement: Measurement, snapshot: Snapshot, kept: timedelta, now: datetime) -> str:
    """Tag a snapshot, so that expiry keeps it for some time from now on.

    Iceberg counts a tag's `max-ref-age-ms` from its snapshot's commit.

    Args:
        catalog: The catalog.
        measurement: The measurement.
        snapshot: The snapshot.
        kept: How long to keep it.
        now: The present.

    Returns:
        The tag.

    Raises:
        NotOffloadable: The table no longer has the snapshot.
        CommitError: It could not be committed.
    """
    name = f"{TAG_PREFIX}{snapshot.snapshot_id:x}"
    age = max(0, (now - EPOCH) // _MILLISECOND - snapshot.timestamp_ms)
    until, slack = age + kept // _MILLISECOND, _SLACK // _MILLISECOND

    def plan(table: Table, again: bool) -> RefChange | None:  # noqa: ARG001 - what is there tells
        ref = table.metadata.refs.get(name)
        # The windows of a run share the tag: its age is not extended for each.
        if ref is not None and (ref.max_ref_age_ms is None or ref.max_ref_age_ms >= until - slack):
            return None
        if table.metadata.snapshot_by_id(snapshot.snapshot_id) is None:
            raise NotOffloadable(f"snapshot {snapshot.snapshot_id}, which was to be tagged, expired meanwhile")
        update = set_ref(name, snapshot.snapshot_id, tag=True, max_age_ms=until)
        return RefChange((update,), tuple(ref_requirement(name, ref.snapshot_id if ref else None, table)))

    commit_refs(catalog, measurement.identifier, plan, f"tag {measurement.table_name}")
    return name


def declare(catalog: Catalog, measurement: Measurement, entry: Offloaded, *, again: bool = False) -> None:
    """Record in the table that a window is being deleted at its source.

    Args:
        catalog: The catalog.
        measurement: The measurement.
        entry: The window, as it will be recorded.
        again: Whether it is recorded already, for another snapshot.

    Raises:
        NotOffloadable: The window's rows changed since they were checked, or its deletion is recorded already.
        CommitError: It could not be committed.
    """

    def change(table: Table) -> list[Offloaded]:
        recorded = list(offloaded_from(table))
        mine = [each for each in recorded if each.window == entry.window and not each.is_done]
        others = [each for each in recorded if each not in mine]
        if (mine and not again and mine != [entry]) or any(each.meets(entry.window) for each in others):
            raise NotOffloadable("it is deleted already, or another run deletes it")
        since = changed_since(table, entry.snapshot_id, time_id_of(table, table_state(table)))
        if since.undone or any(entry.meets(part) for each in since.changes for part in each.windows):
            raise NotOffloadable("its rows in the lake changed while they were compared")
        if not again and not current_proofs(table).hold(entry.window):
            raise NotOffloadable("it is not proved any more")
        return [*others, entry]

    _commit(catalog, measurement, change)


def withdraw(catalog: Catalog, measurement: Measurement, window: Window) -> None:
    """Remove the record that a window is being deleted: nothing of it was."""

    def change(table: Table) -> list[Offloaded]:
        return [each for each in offloaded_from(table) if each.window != window or each.is_done]

    _commit(catalog, measurement, change)


def finish(catalog: Catalog, measurement: Measurement, entry: Offloaded) -> None:
    """Record that a window is deleted."""

    def change(table: Table) -> list[Offloaded]:
        others = [each for each in offloaded_from(table) if each.window != entry.window or each.is_done]
        others = [each for each in others if not each.meets(entry.window)]
        return [*merge_adjacent([*others, entry], current_proofs(table).hold)]

    _commit(catalog, measurement, change)


def _commit(catalog: Catalog, measurement: Measurement, change: Callable[[Table], list[Offloaded]]) -> None:
    def plan(table: Table) -> tuple[TableUpdate, ...]:
        known = as_known(table, share=measurement.share)
        written = recording(table, measurement.share, change(known))
        return tuple(property_updates(written | uuid_property(table.metadata))) if written else ()

    target = TableTarget(measurement.identifier, time_column=measurement.time_column, write=measurement.write)
    commit_metadata(catalog, target, "write what is deleted at its source to", plan)
