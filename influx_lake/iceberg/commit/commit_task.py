"""The interface of what a committer commits, and the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from influx_lake.iceberg.commit.commit_plan import FileChange

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit
    from influx_lake.iceberg.staging.staged_table import StagedTable
    from influx_lake.iceberg.target import TableTarget

C = TypeVar("C", bound=FileChange)


class CommitTask(Protocol[C]):
    """A change to be committed to a table: the load of a window, or maintenance."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def target(self) -> TableTarget: ...

    @property
    def table(self) -> Table:
        """The table as it was when the first files were written for it."""
        ...

    @property
    def doing(self) -> str:
        """The activity, without the table, as it follows "could not ..." in messages."""
        ...

    @property
    def again(self) -> str:
        """What the user does to repeat it, as a sentence without its full stop."""
        ...

    def check(self, table: Table) -> None:
        """Raise where this must not, or no longer, be committed to the table."""
        ...

    def plan(self, table: Table) -> tuple[StagedTable, C]:
        """Plan the change for the table as it is now; raises to stop."""
        ...

    def before_commit(self, change: C) -> None:
        """Take the steps between a plan and its commit; raises to stop."""
        ...

    def ask_for(self, table: Table, staged: StagedTable, change: C) -> tuple[ReplaceCommit, dict[str, str]]:
        """Build the commit of a plan, not prepared yet, and the table properties that change with it."""
        ...

    def written(self) -> list[DataFile]:
        """Every file that was written for any of the plans."""
        ...


@dataclass(frozen=True, slots=True)
class Committed(Generic[C]):
    """A change that was committed.

    Attributes:
        change: The change.
        snapshot_id: The id of its snapshot.
        table: The table after the commit.
    """

    change: C
    snapshot_id: int
    table: Table
