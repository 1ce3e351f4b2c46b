"""What is known of a table, for one snapshot of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from influx_lake.config.windows import Window
from influx_lake.iceberg.coverage import Coverage
from influx_lake.iceberg.table_state.changes import ForeignChange

NOTHING = Coverage()


@dataclass(frozen=True, slots=True)
class TableState:
    """What is known of a table, for the snapshot that is read.

    Attributes:
        coverage: Which time it holds.
        owner: The identity of the source whose rows it holds; None where nobody of us loaded any.
        tags: Which columns are tags, also those that the source no longer has; None where no load has told them.
        time_id: The field id of the column that places a row in a window; None where no load has told it.
        changes: What others did to the table since the last load, oldest first.
        lost: The time that was loaded and no longer is, because of them.
        is_rebuilt: Whether the ancestors of the snapshot are gone, so that what it holds was told from row counts.
    """

    coverage: Coverage = NOTHING
    owner: str | None = None
    tags: tuple[str, ...] | None = None
    time_id: int | None = None
    changes: tuple[ForeignChange, ...] = ()
    lost: tuple[Window, ...] = ()
    is_rebuilt: bool = False

    def following(
        self, coverage: Coverage, *, owner: str, tags: tuple[str, ...] | None, time_id: int | None
    ) -> TableState:
        """What is known after a load: nothing that others did is open any more, and no tag is forgotten."""
        known = self.tags if tags is None else tuple(dict.fromkeys((*(self.tags or ()), *tags)))
        return TableState(coverage, owner, known, time_id)

    def losing(self, lost: tuple[Window, ...]) -> TableState:
        """What is known after rows of some time were taken by others."""
        coverage = self.coverage.losing(lost)
        return replace(self, coverage=coverage, lost=self.coverage.without(coverage))
