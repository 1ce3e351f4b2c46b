"""What a commit is to change, planned for the table as it is at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from influx_lake.iceberg.table_state.coverage import Coverage

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


KEPT_ROWS = "influx-lake.kept-rows"
"""The property of a snapshot's summary: how many rows of the window stayed that did not come."""


@dataclass(frozen=True, slots=True)
class Change:
    """Files out, files in, and what is said of it.

    Attributes:
        removed: Files of the table's current snapshot.
        added: Files written for it.
        rows: How many rows the window holds afterwards.
        previous_rows: How many it holds before.
        coverage: What the table holds afterwards.
        notes: What the snapshot's summary says besides.
        nothing_new: Whether it is not worth a snapshot: what is to be committed before it is, and then it is left.
    """

    removed: tuple[DataFile, ...]
    added: tuple[DataFile, ...]
    rows: int
    previous_rows: int
    coverage: Coverage
    notes: dict[str, str] = field(default_factory=dict)
    nothing_new: bool = False

    @property
    def keeps_rows(self) -> bool:
        """Whether rows of the window stay that did not come."""
        return self.notes.get(KEPT_ROWS, "0") != "0"


class Overtaken(Exception):
    """Another run changed what was being loaded: the rows that were read may be older than those that are there."""


class NothingNew(Exception):
    """The plan has nothing that is worth a snapshot."""


class Planner(Protocol):
    """Plans a change, again for each try to commit it."""

    def plan(self, table: Table) -> Change:
        """The change for the table as it is now; raises to stop."""
        ...

    def written(self) -> list[DataFile]:
        """Every file that was written for any plan."""
        ...
