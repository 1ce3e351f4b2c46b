"""What a commit changes, planned for the table as it is at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from influx_lake.iceberg.table_state.coverage import Coverage

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


KEPT_ROWS = "influx-lake.kept-rows"
"""The property of a snapshot's summary: how many rows of the window were kept that were not among those loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A change of a table's files, with the properties that describe it.

    Attributes:
        removed: Data files of the table's current snapshot.
        added: Data files written for it.
        deletes: Delete files that apply to removed data files only, and are removed with them.
        notes: Further properties of the snapshot's summary.
        properties: Table properties that change with it.
        nothing_new: Whether it is not worth a snapshot: the steps before the commit are taken, and no snapshot is made.
    """

    removed: tuple[DataFile, ...] = ()
    added: tuple[DataFile, ...] = ()
    deletes: tuple[DataFile, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    nothing_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(FileChange):
    """The change that the load of a window makes.

    Attributes:
        rows: Rows of the window afterwards.
        previous_rows: Rows of the window before.
        coverage: The table's coverage afterwards.
    """

    rows: int
    previous_rows: int
    coverage: Coverage

    @property
    def keeps_rows(self) -> bool:
        """Whether rows of the window are kept that were not among those loaded."""
        return self.notes.get(KEPT_ROWS, "0") != "0"


class Overtaken(Exception):
    """Another run changed what was being loaded: the rows that were read may be older than the table's."""


class NothingNew(Exception):
    """The planned change is not worth a snapshot."""


Change_co = TypeVar("Change_co", bound=FileChange, covariant=True)


class Planner(Protocol[Change_co]):
    """Plans a change, again for each attempt to commit it."""

    def plan(self, table: Table) -> Change_co:
        """Plan the change for the table as it is now; raises to stop."""
        ...

    def written(self) -> list[DataFile]:
        """Every file that was written for any of the plans."""
        ...
