"""Which snapshots of a table are retained, and which recorded state is kept of the expired ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config.maintenance.options import ExpireOptions
from influx_lake.config.values.windows import EPOCH
from influx_lake.iceberg.proofs.valid_proofs import current_proofs_property
from influx_lake.iceberg.table_state.changes import summary_of
from influx_lake.iceberg.table_state.current_state import states_to_carry_over
from influx_lake.iceberg.table_state.kept_states import PROPERTY, KeptState, kept_states, property_text
from influx_lake.iceberg.table_state.lineage import Lineage, is_ours
from influx_lake.iceberg.table_state.state_encoding import SUMMARY, base_id, summary_text

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.refs import SnapshotRef
    from pyiceberg.table.snapshots import Snapshot

_MAIN = "main"
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Expiry:
    """What expires of a table.

    Attributes:
        snapshots: The ids of snapshots.
        refs: Branches and tags whose own retention is over.
        properties: Table properties that change with it; an empty value removes one.
    """

    snapshots: tuple[int, ...]
    refs: tuple[str, ...]
    properties: dict[str, str]


def expiring(table: Table, options: ExpireOptions, now: datetime) -> Expiry:
    """Determine what expires of a table by age, by Iceberg's rules.

    Each branch keeps its newest snapshots, and those that are young enough, down to the first that is neither; a tag
    keeps its snapshot; a snapshot without branch or tag is kept as long as it is young. The settings of a branch or tag
    itself (`min-snapshots-to-keep`, `max-snapshot-age-ms`, `max-ref-age-ms`) override the options.

    Args:
        table: The table as it is now.
        options: How many snapshots, and how old ones, are retained.
        now: The time that ages are relative to.
    """
    metadata = table.metadata
    since = (now - options.older_than - EPOCH) // _MILLISECOND
    gone = tuple(name for name, ref in metadata.refs.items() if _is_over(metadata, name, ref, now))
    refs = {name: ref for name, ref in metadata.refs.items() if name not in gone}
    line: set[int] = set()
    kept: set[int] = set()
    for ref in refs.values():
        ancestors = list(_ancestors(metadata, ref.snapshot_id))
        line.update(each.snapshot_id for each in ancestors)
        kept.update(each.snapshot_id for each in _kept_of(ref, ancestors, options, since, now))
    kept.update(
        each.snapshot_id for each in metadata.snapshots if each.snapshot_id not in line and each.timestamp_ms >= since
    )
    return _without(table, kept, gone)


def expiry_of(table: Table, leaving: Iterable[int], refs: tuple[str, ...] = ()) -> Expiry:
    """The expiry of given snapshots, with the state that only they record, and of branches and tags, which go first.

    Args:
        table: The table as it is now.
        leaving: The ids of the snapshots; none of them may be that of a branch or tag that stays.
        refs: The branches and tags.
    """
    leaving = set(leaving)
    kept = {each.snapshot_id for each in table.metadata.snapshots} - leaving
    expiry = _without(table, set(kept), refs)
    return replace(expiry, snapshots=tuple(leaving))


def _kept_of(
    ref: SnapshotRef, ancestors: list[Snapshot], options: ExpireOptions, since: int, now: datetime
) -> Iterable[Snapshot]:
    if ref.snapshot_ref_type == "tag":
        return ancestors[:1]
    if ref.max_snapshot_age_ms is not None:
        since = (now - EPOCH) // _MILLISECOND - ref.max_snapshot_age_ms
    least = ref.min_snapshots_to_keep or options.keep_last
    old = (place for place, each in enumerate(ancestors) if place >= least and each.timestamp_ms < since)
    return ancestors[: next(old, len(ancestors))]


def _is_over(metadata: TableMetadata, name: str, ref: SnapshotRef, now: datetime) -> bool:
    snapshot = metadata.snapshot_by_id(ref.snapshot_id)
    if name == _MAIN or ref.max_ref_age_ms is None or snapshot is None:
        return False
    return (now - EPOCH) // _MILLISECOND - snapshot.timestamp_ms > ref.max_ref_age_ms


def _ancestors(metadata: TableMetadata, snapshot_id: int) -> Iterable[Snapshot]:
    there = {each.snapshot_id: each for each in metadata.snapshots}
    found = there.get(snapshot_id)
    while found is not None:
        yield found
        found = there.get(found.parent_snapshot_id) if found.parent_snapshot_id is not None else None


def _without(table: Table, kept: set[int], refs: tuple[str, ...]) -> Expiry:
    """The expiry of all snapshots but these, and those that record their state."""
    metadata = table.metadata
    states: dict[int, KeptState] = {}
    # Bounded by the snapshots, each of which is kept at most once.
    for snapshot in [each for each in metadata.snapshots if each.snapshot_id in kept]:
        if not is_ours(snapshot):
            _keep_state(table, snapshot, kept, states)
    lineage = Lineage(table)
    for snapshot in metadata.snapshots:
        text = summary_of(snapshot).get(SUMMARY) if snapshot.snapshot_id in kept else None
        base = base_id(text) if text else None
        if base is not None and base not in kept and base not in states:
            said = _said(lineage, base)
            if said is not None:
                states[base] = KeptState(said)
    text = property_text(states)
    there = metadata.properties.get(PROPERTY, "")
    snapshots = tuple(each.snapshot_id for each in metadata.snapshots if each.snapshot_id not in kept)
    proved = current_proofs_property(table) if snapshots else {}
    return Expiry(snapshots, refs, proved | ({} if text == there else {PROPERTY: text}))


def _said(lineage: Lineage, snapshot_id: int) -> str | None:
    """The complete state in a snapshot's summary, or the one that is kept of it."""
    if (kept := lineage.kept(snapshot_id)) is not None:
        return kept.text
    snapshot = lineage.find(snapshot_id)
    return summary_of(snapshot).get(SUMMARY) if snapshot else None


def _keep_state(table: Table, snapshot: Snapshot, kept: set[int], states: dict[int, KeptState]) -> None:
    """Keep the state of a snapshot by another tool: by retaining the load before it, or in a property."""
    metadata = table.metadata
    recorded = kept_states(metadata)
    if snapshot.snapshot_id in recorded:
        states[snapshot.snapshot_id] = recorded[snapshot.snapshot_id]
        return
    since: list[int] = []
    for each in _ancestors(metadata, snapshot.snapshot_id):
        since.append(each.snapshot_id)
        if is_ours(each) or each.snapshot_id in recorded:
            break
    else:
        return
    if set(since) <= kept:
        return
    known = states_to_carry_over(table) if snapshot.snapshot_id == metadata.current_snapshot_id else None
    if known is not None:
        before = recorded.get(since[-1])
        settled = {share: state.settled() for share, state in known.items()}
        follows = (before and before.follows) or since[-1]
        states[snapshot.snapshot_id] = KeptState(summary_text(settled, None), follows)
    else:
        kept.update(since)
        if since[-1] in recorded:
            states[since[-1]] = recorded[since[-1]]
