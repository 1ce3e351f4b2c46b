"""What a commit is to change, planned for the table as it is at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from influx_lake.iceberg.table_state.coverage import Coverage

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


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
        properties: What the table's properties say with it.
        nothing_new: Whether it is not worth a snapshot: what is to be committed before it is, and then it is left.
    """

    removed: tuple[DataFile, ...] = ()
    added: tuple[DataFile, ...] = ()
    deletes: tuple[DataFile, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
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


Change_co = TypeVar("Change_co", bound=FileChange, covariant=True)


class Planner(Protocol[Change_co]):
    """Plans a change, again for each try to commit it."""

    def plan(self, table: Table) -> Change_co:
        """The change for the table as it is now; raises to stop."""
        ...

    def written(self) -> list[DataFile]:
        """Every file that was written for any plan."""
        ...
