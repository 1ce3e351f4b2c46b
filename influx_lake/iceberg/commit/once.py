"""A commit of what several processes may commit at once: it takes place once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.iceberg.commit.commit_plan import Change, Planner
from influx_lake.iceberg.commit.window_commit import commit_id_of

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot


class AlreadyCommitted(Exception):
    """A snapshot of the table, or of a branch of it, has what was to be committed.

    Attributes:
        snapshot: The snapshot.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(f"snapshot {snapshot.snapshot_id}")
        self.snapshot = snapshot


@dataclass(slots=True)
class Once:
    """Plans what no snapshot has: files that left the table since must not come back, for nobody keeps them.

    Attributes:
        planner: Plans it.
        commit_id: The id of its commit, the same in all processes.
    """

    planner: Planner[Change]
    commit_id: str

    def plan(self, table: Table) -> Change:
        """Plan it.

        Raises:
            AlreadyCommitted: It took place.
        """
        if (found := commit_of(table, self.commit_id)) is not None:
            raise AlreadyCommitted(found)
        return self.planner.plan(table)

    def written(self) -> list[DataFile]:
        """The files of its plans."""
        return self.planner.written()


def commit_of(table: Table, commit_id: str) -> Snapshot | None:
    """The snapshot of a commit, on whichever branch; None where there is none."""
    return next((each for each in reversed(table.snapshots()) if commit_id_of(each) == commit_id), None)
