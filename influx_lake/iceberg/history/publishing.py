"""Makes the loads on a branch visible: fast-forwards main to it, or commits the same files to main."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.errors import BranchOutdated, CommitConflict
from influx_lake.iceberg.catalogs.retry import retry_attempts
from influx_lake.iceberg.columns.known_columns import actual, as_known, is_shared
from influx_lake.iceberg.commit.committer import Committer
from influx_lake.iceberg.history.branch_catalog import on_branch
from influx_lake.iceberg.history.branch_loads import BranchLoads, check_fits, loads_on, superseded
from influx_lake.iceberg.history.ref_commit import Plan, RefChange, commit_refs
from influx_lake.iceberg.history.replay import Replay
from influx_lake.iceberg.history.snapshot_view import MAIN
from influx_lake.iceberg.history.updates import property_updates, ref_requirement, remove_ref, set_ref
from influx_lake.iceberg.own_properties import uuid_property
from influx_lake.iceberg.scan.reader import find_table, open_table
from influx_lake.iceberg.table_state.lineage import line_there
from influx_lake.iceberg.table_state.state_at_snapshot import restated

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

    from influx_lake.config.values.windows import Window
    from influx_lake.iceberg.target import TableTarget

_ANEW = "__anew"
"""The infix in the name of a branch on which loads of another branch are committed anew."""


@dataclass(frozen=True, slots=True)
class Published:
    """The result of publishing a branch.

    Attributes:
        table: The table after it.
        snapshot_id: The snapshot that made the loads visible; None where there was none on the branch.
        windows: The windows of the loads.
        fast_forward: Whether main has the branch's own snapshots: nothing else had been committed.
    """

    table: Table
    snapshot_id: int | None
    windows: tuple[Window, ...] = ()
    fast_forward: bool = False


class _MainMoved(Exception):
    """Another writer committed to the table: the branch no longer continues main."""


def publish(catalog: Catalog, target: TableTarget, branch: str) -> Published:
    """Make the loads on a branch visible, all at once, and remove the branch.

    Where nothing was committed to the table since the branch was made, main is fast-forwarded to the branch. Otherwise
    the loads are committed anew on top of main, with the files of the branch. Branches on which earlier loads of the
    same windows wait for their checks are removed too.

    Args:
        catalog: The catalog.
        target: The table, with the share of the loads, and how files are written.
        branch: The branch.

    Raises:
        ConfigurationError: There is no such branch, or another tool committed to it.
        BranchOutdated: Another writer changed the same windows since.
        CommitError: It could not be committed.
    """
    deadline = time.monotonic() + target.write.commit_timeout.total_seconds()
    current, rest = branch, tuple[str, ...]()
    for _ in retry_attempts(deadline):
        table = actual(open_table(catalog, target.identifier))
        loads = loads_on(table, current)
        if not loads.loads:
            dropped = commit_refs(catalog, target.identifier, _dropping((current, *rest)), f"drop the branch {branch}")
            return Published(dropped, None)
        if loads.base == table.metadata.current_snapshot_id:
            try:
                done = _fast_forward(catalog, target, loads, rest)
            except _MainMoved:
                continue
            return Published(done, loads.head.snapshot_id, loads.windows, fast_forward=current == branch)
        if len(loads.loads) == 1:
            gone = _ObsoleteBranches(target, loads.windows, (current, *rest))
            replay = Replay(on_branch(catalog, MAIN, gone), target, table, loads.loads[0], loads.base)
            committed = Committer(replay).run()
            found = actual(open_table(catalog, target.identifier))
            return Published(found, committed.snapshot_id, loads.windows)
        current, rest = _recommit(catalog, target, table, branch, loads, (current, *rest))
    raise CommitConflict(
        f"the branch {branch} of {target.name} could not be published for {target.write.commit_timeout}: other writers "
        "were first all the time",
        remedy="Publish it again when fewer runs write to this table at once",
    )


def publish_with_aside(catalog: Catalog, target: TableTarget, aside: TableTarget, branch: str) -> Published:
    """Make the loads on a branch visible, together with their rows in quarantine; see `publish`.

    As in a load, such rows are in both tables for a moment, and never in neither.

    Args:
        catalog: The catalog.
        target: The table.
        aside: Its quarantine, which has a branch of the same name where the loads put rows there.
        branch: The branch.
    """
    check_publishable(catalog, target, branch)
    table = find_table(catalog, aside.identifier)
    if table is not None and branch in table.metadata.refs:
        publish(catalog, aside, branch)
    return publish(catalog, target, branch)


def check_publishable(catalog: Catalog, target: TableTarget, branch: str) -> None:
    """Check that a branch can be published on the current table; arguments and errors as for `publish`."""
    table = actual(open_table(catalog, target.identifier))
    loads = loads_on(table, branch)
    if loads.base == table.metadata.current_snapshot_id:
        return
    known = as_known(table, share=target.share)
    for window in loads.windows:
        check_fits(known, loads.base, window, target.time_column)


@dataclass(frozen=True, slots=True)
class _ObsoleteBranches:
    """The branches to remove when windows are published: their own, and those of earlier loads of them."""

    target: TableTarget
    windows: tuple[Window, ...]
    own: tuple[str, ...]

    def __call__(self, metadata: TableMetadata) -> Iterable[str]:
        measurement = measurement_of(self.target, metadata)
        return dict.fromkeys((*self.own, *superseded(metadata, self.windows, measurement)))


def measurement_of(target: TableTarget, metadata: TableMetadata) -> str | None:
    """The measurement that snapshots of a load's table name; None where the table holds one measurement alone."""
    share = target.share
    return None if share is None or (share.is_alone and not is_shared(metadata)) else share.value


def _fast_forward(catalog: Catalog, target: TableTarget, loads: BranchLoads, rest: tuple[str, ...]) -> Table:
    head = loads.head

    def plan(table: Table, again: bool) -> RefChange | None:
        metadata = table.metadata
        if again and head.snapshot_id in line_there(metadata):
            return None
        there = metadata.refs.get(loads.branch)
        if there is None or there.snapshot_id != head.snapshot_id:
            raise BranchOutdated(
                f"the branch {loads.branch} of {target.name} was moved or dropped while it was published",
                remedy="Load its windows again",
            )
        if metadata.current_snapshot_id != loads.base:
            raise _MainMoved
        gone = _ObsoleteBranches(target, loads.windows, (loads.branch, *rest))(metadata)
        return RefChange(
            (
                set_ref(MAIN, head.snapshot_id),
                *(remove_ref(name) for name in gone if name in metadata.refs),
                *property_updates({**restated(table, head), **uuid_property(metadata)}),
            ),
            (*ref_requirement(MAIN, loads.base, table), *ref_requirement(loads.branch, head.snapshot_id, table)),
        )

    doing = f"fast-forward {target.name} to the branch {loads.branch}"
    return commit_refs(catalog, target.identifier, plan, doing, target.write.commit_timeout)


def _recommit(
    catalog: Catalog,
    target: TableTarget,
    table: Table,
    branch: str,
    loads: BranchLoads,
    used: tuple[str, ...],
) -> tuple[str, tuple[str, ...]]:
    """Commit the loads of a branch anew to another branch, which starts from main.

    Returns:
        That branch, and those that are removed with it when it is published.
    """
    # Each attempt uses a new name: the branch of a killed process is not continued, and is removed with the others.
    earlier = [name for name in table.metadata.refs if name.startswith(f"{branch}{_ANEW}")]
    name = f"{branch}{_ANEW}_{uuid.uuid4().hex[:8]}"
    own = frozenset(load.snapshot_id for load in loads.loads)
    for load in loads.loads:
        Committer(Replay(on_branch(catalog, name), target, table, load, loads.base, own)).run()
    return name, tuple(dict.fromkeys((*used, *earlier)))


def _dropping(names: tuple[str, ...]) -> Plan:
    def plan(table: Table, again: bool) -> RefChange | None:  # noqa: ARG001
        there = [name for name in names if name in table.metadata.refs]
        return RefChange(tuple(map(remove_ref, there))) if there else None

    return plan
