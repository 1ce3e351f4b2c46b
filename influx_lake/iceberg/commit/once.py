"""A commit that several processes may attempt at once, and that takes place once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from influx_lake.errors import BranchOutdated
from influx_lake.iceberg.commit.commit_plan import Change, Planner
from influx_lake.iceberg.commit.window_commit import commit_id_of

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

PARTS = "influx-lake.parts"
"""The property of a snapshot's summary: the ids of the parts that it committed."""


class AlreadyCommitted(Exception):
    """A snapshot of the table, or of a branch of it, has the change already.

    Attributes:
        snapshot: The snapshot.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(f"snapshot {snapshot.snapshot_id}")
        self.snapshot = snapshot


@dataclass(slots=True)
class Once:
    """Plans a change that no snapshot has: files that left the table since must not be added again, nothing keeps them.

    Attributes:
        planner: Plans the change.
        commit_id: The id of the commit, the same in all processes.
        parts: The ids of the parts that it commits.
    """

    planner: Planner[Change]
    commit_id: str
    parts: Collection[str]

    def plan(self, table: Table) -> Change:
        """Plan the change.

        Raises:
            AlreadyCommitted: A snapshot has it.
            BranchOutdated: Some of the parts were committed together with others.
        """
        if (found := commit_of(table, self.commit_id)) is not None:
            raise AlreadyCommitted(found)
        if not committed_parts(table).isdisjoint(self.parts):
            raise BranchOutdated(
                "another run committed some of the parts of the window, with other ones",
                remedy="Run the window again",
            )
        change = self.planner.plan(table)
        return replace(change, notes={**change.notes, PARTS: ",".join(sorted(self.parts))})

    def written(self) -> list[DataFile]:
        """Every file that was written for any of the plans."""
        return self.planner.written()


def commit_of(table: Table, commit_id: str) -> Snapshot | None:
    """The snapshot of a commit, on any branch; None where there is none."""
    return next((each for each in reversed(table.snapshots()) if commit_id_of(each) == commit_id), None)


def committed_parts(table: Table) -> set[str]:
    """The ids of the parts that a table's snapshots committed, on any branch."""
    said = (each.summary.additional_properties.get(PARTS, "") for each in table.snapshots() if each.summary)
    return {part for parts in said for part in parts.split(",") if part}
