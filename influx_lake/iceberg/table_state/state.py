"""What is known of a table, for one snapshot of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.table_state.changes import ForeignChange
from influx_lake.iceberg.table_state.coverage import Coverage

NOTHING = Coverage()
KEPT = 3
"""How many changes of others are told of after the next load: each is a hundred characters of a snapshot's summary."""


@dataclass(frozen=True, slots=True)
class TableState:
    """What is known of a table, for the snapshot that is read.

    Attributes:
        coverage: Which time it holds.
        owner: The identity of the source whose rows it holds; None where nobody of us loaded any.
        tags: Which columns are tags, also those that the source no longer has; None where no load has told them.
        time_id: The field id of the column that places a row in a window; None where no load has told it.
        changes: What others did to the table since the last load, oldest first.
        earlier: What they did before it, as long as some of what they took was not loaded again, or what they altered.
        lost: The time that was loaded and no longer is, because of all these.
        altered: The time that is loaded and whose rows they wrote anew, no fewer than before: they may be others.
        is_rebuilt: Whether the ancestors of the snapshot are gone, so that what it holds was told from row counts.
    """

    coverage: Coverage = NOTHING
    owner: str | None = None
    tags: tuple[str, ...] | None = None
    time_id: int | None = None
    changes: tuple[ForeignChange, ...] = ()
    earlier: tuple[ForeignChange, ...] = ()
    lost: tuple[Window, ...] = ()
    altered: tuple[Window, ...] = ()
    is_rebuilt: bool = False

    def following(
        self,
        coverage: Coverage,
        replaced: Window | None,
        *,
        owner: str,
        tags: tuple[str, ...] | None,
        time_id: int | None,
    ) -> TableState:
        """What is known after a load: no tag is forgotten, and what others did only where nothing of theirs is left.

        Args:
            coverage: Which time is loaded now.
            replaced: The time whose rows are now the source's, whatever they were; None where rows were only added.
            owner: The identity of the source.
            tags: Its tags; None where they are not told.
            time_id: The field id of the column of time.
        """
        known = self.tags if tags is None else tuple(dict.fromkeys((*(self.tags or ()), *tags)))
        lost = Coverage(self.lost).losing((*coverage.intervals, *coverage.tails)).intervals
        altered = Coverage(self.altered).losing((replaced,) if replaced else ()).intervals
        took = [each for each in (*self.earlier, *self.changes) if each.may_take_rows]
        open_ones = tuple(took[-KEPT:]) if lost or altered else ()
        return TableState(coverage, owner, known, time_id, earlier=open_ones, lost=lost, altered=altered)

    def losing(self, lost: Iterable[Window], altered: Iterable[Window] = ()) -> TableState:
        """What is known after others took rows of some time, and wrote those of some other time anew."""
        coverage = self.coverage.losing(lost)
        anew = coverage.within((*self.altered, *altered)).intervals
        return replace(self, coverage=coverage, altered=anew)
