"""What a commit is to change, planned for the table as it is at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from influx_lake.iceberg.staging.staged_table import StagedTable
from influx_lake.iceberg.table_state.coverage import Coverage

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from influx_lake.iceberg.commit.overwrite_producer import ReplaceCommit
    from influx_lake.iceberg.target import TableTarget


KEPT_ROWS = "influx-lake.kept-rows"
"""The property of a snapshot's summary: how many rows of the window stayed that did not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """Files out, files in, and what is said of it.

    Attributes:
        removed: Data files of the table's current snapshot.
        added: Data files written for it.
        deletes: Files of deletes that are of no data files but the removed ones, and go with them.
        notes: What the snapshot's summary says besides.
        nothing_new: Whether it is not worth a snapshot: what is to be committed before it is, and then it is left.
    """

    removed: tuple[DataFile, ...] = ()
    added: tuple[DataFile, ...] = ()
    deletes: tuple[DataFile, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    nothing_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(FileChange):
    """What the load of a window changes.

    Attributes:
        rows: How many rows the window holds afterwards.
        previous_rows: How many it holds before.
        coverage: What the table holds afterwards.
    """

    rows: int
    previous_rows: int
    coverage: Coverage

    @property
    def keeps_rows(self) -> bool:
        """Whether rows of the window stay that did not come."""
        return self.notes.get(KEPT_ROWS, "0") != "0"


class Overtaken(Exception):
    """Another run changed what was being loaded: the rows that were read may be older than those that are there."""


class NothingNew(Exception):
    """The plan has nothing that is worth a snapshot."""


Planned = TypeVar("Planned", bound=FileChange, covariant=True)
C = TypeVar("C", bound=FileChange)


class Planner(Protocol[Planned]):
    """Plans a change, again for each try to commit it."""

    def plan(self, table: Table) -> Planned:
        """The change for the table as it is now; raises to stop."""
        ...

    def written(self) -> list[DataFile]:
        """Every file that was written for any plan."""
        ...


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
