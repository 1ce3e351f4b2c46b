"""Reads the state of a table's current snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window, merged
from influx_lake.iceberg.columns.known_columns import is_shared, share_of
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.own_properties import is_copied
from influx_lake.iceberg.table_state.changes import (
    BRANCH,
    ForeignChange,
    Kind,
    change_of,
    is_load_of,
    moment_of,
    number,
    summary_of,
)
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.lineage import Lineage, is_ours, last_commit
from influx_lake.iceberg.table_state.shares import as_share, shares_in, state_of_share
from influx_lake.iceberg.table_state.state import TableState
from influx_lake.iceberg.table_state.state_encoding import States, read_properties

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.refs import SnapshotRef
    from pyiceberg.table.snapshots import Snapshot

_MAIN = "main"
_SOURCE = "influx-lake.source"
_REMEMBERED = 256
_known: dict[tuple[str, int, Share | None], TableState] = {}
"""Cached states of tables that other tools changed, by metadata file, snapshot and share: determining one may require
reading many files.
"""
_lock = Lock()


def table_state(table: Table | None) -> TableState:
    """The state of a table's current snapshot.

    A snapshot of ours records it in its summary, at no cost. Otherwise it is the state of the nearest ancestor of ours,
    corrected by the changes of other tools since. Rows that they added, and files that they rewrote with the same rows,
    do not change the coverage. Where they removed or replaced rows, files are read to find the time with fewer rows,
    which is no longer covered. In a shared table all of this concerns the viewed measurement.

    A table whose snapshot descends from no load has no coverage. Expired ancestors are looked up in the table's earlier
    metadata files; where these are missing too, only windows with at least as many rows as their loads recorded are
    covered.

    Args:
        table: The table as it was loaded; None where there is none.

    Raises:
        StorageError: Manifests or files that are needed for it cannot be read.
    """
    if table is None:
        return TableState()
    metadata, snapshot = table.metadata, table.current_snapshot()
    if snapshot is None:
        return _without_rows(table)
    if _is_as_left(metadata, snapshot) and (state := Lineage(table).state_at(snapshot)) is not None:
        return state
    key = (table.metadata_location, snapshot.snapshot_id, share_of(table))
    with _lock:
        known = _known.get(key)
    if known is None:
        with catalog_errors(f"find out what others did to {'.'.join(table.name())}"):
            known = _followed(table, snapshot)
        with _lock:
            if len(_known) >= _REMEMBERED:
                del _known[next(iter(_known))]
            _known[key] = known
    return known


def states_of_shares(table: Table) -> dict[str, TableState]:
    """The state of each measurement in a shared table; as `table_state` for each of them."""
    snapshot, shares = table.current_snapshot(), shares_in(table)
    if snapshot is not None and _is_as_left(table.metadata, snapshot):
        states = Lineage(table).states_at(snapshot)
        if states is not None and None not in states:
            return {share: states.get(share, TableState()) for share in shares}
    return {share: table_state(as_share(table, share)) for share in shares}


def states_to_carry_over(table: Table) -> States | None:
    """The state of a whole table, for a snapshot that does not change it.

    Args:
        table: The table, whole.

    Returns:
        The state, or those of its measurements; None where no load of ours wrote the table, or where other tools
        changed a shared table since: then it can be determined after that snapshot as well as before.
    """
    metadata, snapshot = table.metadata, table.current_snapshot()
    if snapshot is None or is_copied(metadata):
        return None
    if _is_as_left(metadata, snapshot) and (states := Lineage(table).states_at(snapshot)) is not None:
        return states
    state = table_state(table)
    return None if is_shared(metadata) or state.owner is None else {None: state}


def _is_as_left(metadata: TableMetadata, snapshot: Snapshot) -> bool:
    """Whether a load of ours made the current snapshot, and no other tool has committed since, on any branch."""
    return last_commit(metadata) == snapshot.snapshot_id and not _other_branches(metadata)


def _without_rows(table: Table) -> TableState:
    """The state of a table without snapshots: it has no coverage, and the owner that its properties name.

    A table that records commits without having any snapshot was made with the properties of another one, and has no
    owner.
    """
    metadata = table.metadata
    stated, last = state_of_share(read_properties(metadata.properties), table), last_commit(metadata)
    of_another = is_copied(metadata) or (last is not None and not metadata.snapshots)
    empty = TableState() if of_another else replace(stated, coverage=Coverage())
    if last is None:
        return empty
    change = ForeignChange(Kind.MADE_ANEW, -1, moment_of(metadata.last_updated_ms), left_snapshot_id=last)
    return replace(empty, changes=(change,), lost=stated.coverage.without(empty.coverage))


def _followed(table: Table, snapshot: Snapshot) -> TableState:
    """The state of the nearest ancestor of ours, corrected by the changes of other tools since."""
    metadata, lineage = table.metadata, Lineage(table)
    last = last_commit(metadata)
    foreign: list[Snapshot] = []
    ancestor: Snapshot | None = None
    for each in lineage.line(snapshot):
        if is_ours(each) or each.snapshot_id == last or lineage.kept(each.snapshot_id):
            ancestor = each
            break
        foreign.insert(0, each)
    changes = [*_made_by_others(foreign, metadata), *_branches(metadata, lineage, snapshot)]
    stated = state_of_share(read_properties(metadata.properties), table)
    if ancestor is not None:
        state = lineage.state_at(ancestor) or _state_of_loads(table, stated, lineage, ancestor)
        kept = lineage.kept(ancestor.snapshot_id)
        load = (kept and kept.follows) or ancestor.snapshot_id
        if last is not None and last != load:
            changes.insert(0, _moved(Kind.SET_BACK, ancestor, last, metadata))
        else:
            stated = state
        state = _after(table, state, lineage, ancestor, foreign)
    elif is_copied(metadata) or lineage.is_first(foreign[0]):
        if last is None:
            # No load of ours ever committed to it.
            believed = TableState() if is_copied(metadata) else stated
            unknown = TableState(owner=believed.owner, tags=believed.tags, changes=tuple(changes))
            return _with_added_rows(table, unknown, lineage, foreign)
        state = TableState()
        changes.insert(0, _moved(Kind.MADE_ANEW, snapshot, last, metadata))
    elif last is not None and lineage.parent_of(foreign[0]) == last:
        state = _after(table, stated, lineage, None, foreign)
    else:
        state = _rebuilt(table, stated, lineage, None)
    lost = Coverage(merged((*state.lost, *stated.coverage.without(state.coverage)))).losing(state.coverage.intervals)
    state = replace(state, changes=tuple(changes), lost=lost.intervals)
    return _with_added_rows(table, state, lineage, foreign) if foreign else state


def _with_added_rows(table: Table, state: TableState, lineage: Lineage, foreign: Sequence[Snapshot]) -> TableState:
    """Add the time to which other tools added rows to a state."""
    # Imported here: the modules that read files depend on this one.
    from influx_lake.iceberg.table_state.added_rows import rows_added_by

    time_id = time_id_of(table, state)
    if time_id is None or not {Kind.APPEND, Kind.OVERWRITE} & {change_of(each).kind for each in foreign}:
        return state
    loaded = state.coverage.intervals
    whole = Window(loaded[0].start, loaded[-1].end) if loaded else None
    found = rows_added_by(table, lineage, foreign, time_id, whole)
    # Rows that replaced as many others, or fewer, are reported as such.
    instead = Coverage(merged((*state.lost, *state.altered))).losing(state.added).intervals
    beside = {each: Coverage(times).losing(instead).intervals for each, times in found.there.items()}
    beside |= found.compacted
    added = merged((*state.added, *(time for times in beside.values() for time in times)))
    beside |= {each: Coverage(added).within(times).intervals for each, times in found.rewritten.items()}
    during = {snapshot_id: Window(times[0].start, times[-1].end) for snapshot_id, times in beside.items() if times}
    changes = tuple(replace(each, during=during.get(each.snapshot_id)) for each in state.changes)
    return replace(state, changes=changes, added=added)


def _after(
    table: Table, state: TableState, lineage: Lineage, ancestor: Snapshot | None, foreign: Sequence[Snapshot]
) -> TableState:
    """Correct a state by the changes of other tools since."""
    # Imported here: the modules that read rows depend on this one.
    from influx_lake.iceberg.table_state.lost_rows import LossUndetermined, changed_time, changed_time_by

    if all(change_of(each).kind in (Kind.APPEND, Kind.REPLACE) for each in foreign):
        return state
    head, time_id = foreign[-1], time_id_of(table, state)
    if summary_of(head).get("total-records") == "0" and (ancestor is None or number(ancestor, "total-records")):
        return replace(state, coverage=Coverage(), altered=(), added=())
    try:
        if time_id is not None and ancestor is not None and lineage.is_there(ancestor):
            changed = changed_time(table, ancestor, head, time_id)
            return state.losing(changed.lost, changed.altered, changed.gained)
        if time_id is not None and all(map(lineage.is_there, foreign)):
            changed = changed_time_by(table, foreign, time_id)
            return state.losing(changed.lost, changed.altered, changed.gained)
    except LossUndetermined:
        pass
    return _rebuilt(table, state, lineage, ancestor)


def _rebuilt(table: Table, known: TableState, lineage: Lineage, ancestor: Snapshot | None) -> TableState:
    from influx_lake.iceberg.table_state.rebuilding import rebuilt

    time_id = time_id_of(table, known)
    column = table.schema().find_column_name(time_id) if time_id is not None else None
    if column is None:
        return replace(known, coverage=Coverage(), is_rebuilt=True)
    unpublished = (each for each in table.metadata.snapshots if BRANCH not in summary_of(each))
    loads = lineage.line(ancestor) if ancestor else sorted(unpublished, key=_age)
    return replace(known, coverage=rebuilt(table, known.coverage, loads, column), is_rebuilt=True)


def _state_of_loads(table: Table, stated: TableState, lineage: Lineage, ancestor: Snapshot) -> TableState:
    """The state of a snapshot by an earlier version of ours, whose commit's properties are gone."""
    from influx_lake.iceberg.table_state.rebuilding import loaded_by

    line = list(lineage.line(ancestor))
    coverage = loaded_by(stated.coverage, line, share_of(table))
    sources = (summary_of(each).get(_SOURCE) for each in line if is_load_of(each, share_of(table)))
    owner = stated.owner or next((source for source in sources if source), None)
    return replace(stated, coverage=coverage, owner=owner, is_rebuilt=True)


def time_id_of(table: Table, state: TableState) -> int | None:
    """The field id of the time column; None where the table has none."""
    if state.time_id is not None:
        return state.time_id
    return next((column.field_id for column in table.schema().fields if column.name == TIME), None)


def _made_by_others(foreign: Sequence[Snapshot], metadata: TableMetadata) -> list[ForeignChange]:
    heads = {ref.snapshot_id: name for name, ref in _other_branches(metadata).items()}
    branch = next((heads[each.snapshot_id] for each in reversed(foreign) if each.snapshot_id in heads), None)
    return [change_of(each, branch) for each in foreign]


def _branches(metadata: TableMetadata, lineage: Lineage, snapshot: Snapshot) -> list[ForeignChange]:
    """The branches with commits that the current snapshot does not have."""
    branches = _other_branches(metadata)
    line = {each.snapshot_id for each in lineage.line(snapshot)} if branches else set()
    heads = {name: metadata.snapshot_by_id(ref.snapshot_id) for name, ref in branches.items()}
    return [
        replace(change_of(head, name), kind=Kind.BRANCH)
        for name, head in sorted(heads.items())
        if head is not None and head.snapshot_id not in line
    ]


def _other_branches(metadata: TableMetadata) -> dict[str, SnapshotRef]:
    """The branches whose last commit is another tool's; branches of our loads concern those who asked for them."""
    named = {name: ref for name, ref in metadata.refs.items() if ref.snapshot_ref_type == "branch" and name != _MAIN}
    heads = {name: metadata.snapshot_by_id(ref.snapshot_id) for name, ref in named.items()}
    return {name: named[name] for name, head in heads.items() if head is not None and not is_ours(head)}


def _moved(kind: Kind, to: Snapshot, left: int | None, metadata: TableMetadata) -> ForeignChange:
    moments = (entry.timestamp_ms for entry in reversed(metadata.snapshot_log) if entry.snapshot_id == to.snapshot_id)
    return ForeignChange(kind, to.snapshot_id, moment_of(next(moments, to.timestamp_ms)), left_snapshot_id=left)


def _age(snapshot: Snapshot) -> int:
    return -snapshot.timestamp_ms
