"""The loads on a branch, and whether they still fit the snapshot that readers get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.errors import BranchOutdated, ConfigurationError
from influx_lake.iceberg.columns.known_columns import as_known, share_of, time_field
from influx_lake.iceberg.history.refs import AUDIT_PREFIX, branch_head
from influx_lake.iceberg.scan.manifest_cache import manifests_of
from influx_lake.iceberg.scan.planning import time_bounds
from influx_lake.iceberg.scan.share_files import may_hold_share
from influx_lake.iceberg.table_state.changes import BRANCH, MEASUREMENT, Kind, change_of, is_load_of, number, summary_of
from influx_lake.iceberg.table_state.lineage import Lineage, is_ours, line_there
from influx_lake.iceberg.table_state.rebuilding import WINDOW

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

PUBLISHED_FROM = "influx-lake.published-from"
"""The property of a snapshot's summary: the snapshot of a branch with the same load."""


@dataclass(frozen=True, slots=True)
class BranchLoads:
    """The loads on a branch.

    Attributes:
        branch: The branch.
        head: Its newest snapshot.
        base: The snapshot that the first of them was made on; None where the table had none.
        loads: The snapshots of the loads, oldest first.
    """

    branch: str
    head: Snapshot
    base: int | None
    loads: tuple[Snapshot, ...]

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows of the loads, in their order."""
        return tuple(map(window_of, self.loads))


def window_of(load: Snapshot) -> Window:
    """The window of a load."""
    return Window.parse(summary_of(load)[WINDOW])


def loads_on(table: Table, branch: str) -> BranchLoads:
    """The loads that a branch has and the main branch has not.

    Raises:
        ConfigurationError: There is no such branch, or another tool committed to it.
    """
    there = {each.snapshot_id: each for each in table.metadata.snapshots}
    read = line_there(table.metadata)
    found: list[Snapshot] = []
    head = at = branch_head(table, branch)
    while at in there and at not in read and summary_of(there[at]).get(BRANCH) == branch:
        found.insert(0, there[at])
        if (parent := there[at].parent_snapshot_id) is None:
            return BranchLoads(branch, there[head], None, _checked(table, branch, found))
        at = parent
    if not found and head not in read:
        raise _of_others(table, branch, head)
    return BranchLoads(branch, there[head], at, _checked(table, branch, found))


def unpublished(table: Table) -> dict[str, tuple[Window, ...]]:
    """The windows on branches that readers do not get, by branch: those that wait for their checks or did not pass
    them, and those that a user loaded to a branch.
    """
    metadata, found = table.metadata, dict[str, tuple[Window, ...]]()
    for name, ref in sorted(metadata.refs.items()):
        head = metadata.snapshot_by_id(ref.snapshot_id) if ref.snapshot_ref_type == "branch" else None
        if head is not None and summary_of(head).get(BRANCH) == name and is_load_of(head, share_of(table)):
            windows = tuple(dict.fromkeys(loads_on(table, name).windows))
            if windows:
                found[name] = windows
    return found


def check_fits(table: Table, base: int | None, window: Window, time_column: str, own: Collection[int] = ()) -> None:
    """Check that the rows of a window are still those that a load on a branch was planned on.

    Files that were rewritten with the same rows are allowed, and so are loads of other windows.

    Args:
        table: The table as readers get it, with the share of the load.
        base: The snapshot that the load was made on.
        window: The window of the load.
        time_column: The column that places a row in a window.
        own: The loads of the same branch, which may have been committed anew before it.

    Raises:
        BranchOutdated: Another writer loaded or changed the window since, or the snapshot is no longer an ancestor of
            the one that readers get.
    """
    lineage, head, oldest = Lineage(table), table.current_snapshot(), None
    name = ".".join(table.name())
    for snapshot in lineage.line(head) if head else ():
        if snapshot.snapshot_id == base:
            return
        mine = number(snapshot, PUBLISHED_FROM) in own
        if not mine and _touches(table, snapshot, window, time_column, is_there=lineage.is_there(snapshot)):
            raise BranchOutdated(
                f"{window} of {name} was changed by snapshot {snapshot.snapshot_id} since the branch was made: what is "
                "on the branch was made from older rows",
                remedy="Load the window again, and drop the branch",
            )
        oldest = snapshot
    if base is None and (oldest is None or lineage.is_first(oldest)):
        return
    raise BranchOutdated(
        f"the branch was made from snapshot {base} of {name}, which is no known ancestor of the current one: the table "
        "was rolled back, or snapshots in between expired",
        remedy="Load the window again, and drop the branch",
    )


def superseded(metadata: TableMetadata, windows: Collection[Window], measurement: str | None) -> Iterator[str]:
    """The branches with earlier loads of windows that wait for their checks, or failed them.

    Args:
        metadata: The table's metadata.
        windows: The windows that are loaded now.
        measurement: The measurement of the windows, where the table holds several.
    """
    for name, ref in metadata.refs.items():
        head = metadata.snapshot_by_id(ref.snapshot_id) if name.startswith(AUDIT_PREFIX) else None
        said = summary_of(head) if head is not None else {}
        if WINDOW not in said or said.get(BRANCH) != name or said.get(MEASUREMENT) != measurement:
            continue
        waiting = Window.parse(said[WINDOW])
        if any(window.contains(waiting) for window in windows):
            yield name


def _checked(table: Table, branch: str, found: list[Snapshot]) -> tuple[Snapshot, ...]:
    others = next((each for each in found if WINDOW not in summary_of(each)), None)
    if others is not None:
        raise _of_others(table, branch, others.snapshot_id)
    return tuple(found)


def _of_others(table: Table, branch: str, snapshot_id: int) -> ConfigurationError:
    return ConfigurationError(
        f"the branch {branch} of {'.'.join(table.name())} has a commit that is no load of influx-lake: snapshot "
        f"{snapshot_id}",
        remedy="Publish it with the engine that made it, in Spark: CALL system.fast_forward",
    )


def _touches(table: Table, snapshot: Snapshot, window: Window, time_column: str, *, is_there: bool) -> bool:
    """Whether a snapshot may have changed rows of a window; True where expired files cannot tell."""
    if change_of(snapshot).kind is Kind.REPLACE:
        return False
    loaded = summary_of(snapshot).get(WINDOW)
    if loaded is not None and is_ours(snapshot):
        other = Window.parse(loaded)
        overlap = other.overlaps(window)
        return overlap and is_load_of(snapshot, share_of(table))
    if not is_there:
        return True
    from pyiceberg.manifest import DataFileContent

    time_id, may_hold = time_field(as_known(table), time_column).field_id, may_hold_share(table)
    for manifest in manifests_of(snapshot, table.io):
        if manifest.added_snapshot_id != snapshot.snapshot_id:
            continue
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
            if entry.snapshot_id != snapshot.snapshot_id or not may_hold(entry.data_file):
                continue
            bounds = time_bounds(entry.data_file, time_id)
            if entry.data_file.content is not DataFileContent.DATA or bounds is None:
                return True
            if bounds[0] < window.end_us and window.start_us <= bounds[1]:
                return True
    return False
