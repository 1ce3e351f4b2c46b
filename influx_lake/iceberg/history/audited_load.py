"""Write, audit, publish: loads a window to a branch, checks it there, and makes it visible to readers in one commit."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from influx_lake.errors import AuditFailed, LakeError
from influx_lake.iceberg.columns.known_columns import as_known
from influx_lake.iceberg.history.branch_catalog import on_branch
from influx_lake.iceberg.history.branch_loads import superseded
from influx_lake.iceberg.history.publishing import measurement_of, publish_with_aside
from influx_lake.iceberg.history.ref_commit import RefChange, commit_refs
from influx_lake.iceberg.history.refs import AUDIT_PREFIX
from influx_lake.iceberg.history.updates import remove_ref
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

log = logging.getLogger("influx_lake.replication")


def audited(load: WindowLoad, work: Callable[[WindowLoad], WindowResult], aside: TableTarget) -> WindowResult:
    """Load a window to a branch of its own, check it there, and make it visible in one commit.

    Readers of the table get the rows once they passed, and never before. A load that fails its checks leaves its
    branch for inspection; the next load of the window removes it. Loads of other windows go on meanwhile.

    Args:
        load: The load; its `audit` checks it.
        work: Loads the window into the load's catalog.
        aside: The quarantine, which gets a branch of the same name.

    Raises:
        AuditFailed: The window did not pass; the table is unchanged.
        BranchOutdated: Another writer loaded or changed the window meanwhile: it has to be loaded again.
        LakeError: As for the load itself; the table is unchanged.
    """
    assert load.audit is not None
    branch = f"{AUDIT_PREFIX}{uuid.uuid4().hex[:12]}"
    hidden = on_branch(load.catalog, branch, _Earlier(load.target, load))
    try:
        done = work(replace(load, catalog=hidden))
        found = find_table(load.catalog, load.target.identifier)
        if found is None or branch not in found.metadata.refs:
            # Nothing was committed.
            return done
        _check(load, load.audit(hidden), branch)
        published = publish_with_aside(load.catalog, load.target, aside, branch)
    except AuditFailed:
        raise
    except BaseException:
        _drop(load.catalog, (load.target, aside), branch)
        raise
    return replace(
        done,
        table=as_known(published.table, share=load.target.share),
        snapshot_id=done.snapshot_id if published.snapshot_id is None else published.snapshot_id,
    )


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The branches of earlier loads of a window that did not pass."""

    target: TableTarget
    load: WindowLoad

    def __call__(self, metadata: TableMetadata) -> Iterable[str]:
        return superseded(metadata, (self.load.window,), measurement_of(self.target, metadata))


def _check(load: WindowLoad, failed: Sequence[str], branch: str) -> None:
    if not failed:
        return
    name, share = load.target.name, load.target.share
    called = name if share is None else f"{name}.{share.value}"
    raise AuditFailed(
        f"the window did not pass its checks: {'; '.join(failed)}. Readers of {name} get what they got before; what "
        f"was loaded is on its branch {branch}",
        remedy=f"To look at it: influx-lake history {called} --branch {branch}. To have it all the same: influx-lake "
        f"publish {called} --branch {branch}; to drop it: influx-lake branch {called} {branch} --drop. The next load "
        "of the window takes its place",
    )


def _drop(catalog: Catalog, targets: Iterable[TableTarget], branch: str) -> None:
    """Remove a branch that is not kept for inspection; where that fails, the next load of its window does."""

    def plan(table: Table, again: bool) -> RefChange | None:  # noqa: ARG001
        return RefChange((remove_ref(branch),)) if branch in table.metadata.refs else None

    for target in targets:
        try:
            table = find_table(catalog, target.identifier)
            if table is not None and branch in table.metadata.refs:
                commit_refs(catalog, target.identifier, plan, f"drop the branch {branch} of {target.name}")
        except LakeError as error:
            log.warning("the branch %s of %s stays until its window is loaded again: %s", branch, target.name, error)
