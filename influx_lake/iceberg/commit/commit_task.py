"""What a committer is given, and what became of it."""

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
    """What is committed to a table: the load of a window, or maintenance."""

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
        """What is done, as the end of "could not ...", without the table."""
        ...

    @property
    def again(self) -> str:
        """How it is done again, as a sentence without its full stop."""
        ...

    def check(self, table: Table) -> None:
        """Raise where the table is not, or no longer, one to commit this to."""
        ...

    def plan(self, table: Table) -> tuple[StagedTable, C]:
        """The change for the table as it is now; raises to stop."""
        ...

    def before_commit(self, change: C) -> None:
        """The steps between a plan and its commit; raises to stop."""
        ...

    def ask_for(self, table: Table, staged: StagedTable, change: C) -> tuple[ReplaceCommit, dict[str, str]]:
        """The commit of a plan, not prepared yet, and the properties of the table that change with it."""
        ...

    def written(self) -> list[DataFile]:
        """Every file that was written for any plan."""
        ...


@dataclass(frozen=True, slots=True)
class Committed(Generic[C]):
    """A change that took place.

    Attributes:
        change: The change.
        snapshot_id: Its snapshot.
        table: The table with it.
    """

    change: C
    snapshot_id: int
    table: Table
