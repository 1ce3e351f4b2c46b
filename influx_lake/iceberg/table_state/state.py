"""What is known of a table, for one snapshot of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from influx_lake.config.transforms.definition import UNCHANGED
from influx_lake.config.values.windows import Window, merged
from influx_lake.iceberg.table_state.changes import ForeignChange
from influx_lake.iceberg.table_state.coverage import Coverage

NOTHING = Coverage()
KEPT = 3
"""How many changes of others are kept after the next load: each is a hundred characters of a snapshot's summary."""


@dataclass(frozen=True, slots=True)
class TableState:
    """What is known of a table, for the snapshot that is read.

    Attributes:
        coverage: Which time it holds.
        owner: The identity of the source whose rows it holds; None where nobody of us loaded any.
        tags: Which columns are tags, also those that the source no longer has; None where no load has recorded them.
        time_id: The field id of the column that places a row in a window; None where no load has recorded it.
        changes: What others did to the table since the last load, oldest first.
        earlier: What they did before it, as long as some of what they took was not loaded again, or what they altered.
        lost: The time that was loaded and no longer is, because of all these.
        altered: The time that is loaded and that they rewrote with at least as many rows: values may differ.
        added: The time, loaded or not, to which they added rows.
        definition: How the rows of the last load were made; None where no load has told it.
        outdated: The time that is loaded and whose rows were made in another way.
        is_rebuilt: Whether the ancestors of the snapshot are gone, so that what it holds was derived from row counts.
    """

    coverage: Coverage = NOTHING
    owner: str | None = None
    tags: tuple[str, ...] | None = None
    time_id: int | None = None
    changes: tuple[ForeignChange, ...] = ()
    earlier: tuple[ForeignChange, ...] = ()
    lost: tuple[Window, ...] = ()
    altered: tuple[Window, ...] = ()
    added: tuple[Window, ...] = ()
    definition: str | None = None
    outdated: tuple[Window, ...] = ()
    is_rebuilt: bool = False

    def following(
        self,
        coverage: Coverage,
        replaced: Window | None,
        *,
        keeps_rows: bool,
        owner: str | None,
        tags: tuple[str, ...] | None,
        time_id: int | None,
        definition: str | None = None,
    ) -> TableState:
        """What is known after a load: no tag is forgotten, and what others did only where nothing of theirs is left.

        Args:
            coverage: Which time is loaded now.
            replaced: The time whose rows are now the source's, whatever they were; None where rows were only added.
            keeps_rows: Whether rows of that time that the source does not have stayed in the table.
            owner: The identity of the source.
            tags: Its tags; None where they are not known.
            time_id: The field id of the column of time.
            definition: How its rows are made; None where that is not told.
        """
        known = self.tags if tags is None else tuple(dict.fromkeys((*(self.tags or ()), *tags)))
        lost = Coverage(self.lost).losing((*coverage.intervals, *coverage.tails)).intervals
        altered = Coverage(self.altered).losing((replaced,) if replaced else ()).intervals
        gone = (replaced,) if replaced and not keeps_rows else ()
        added = Coverage(self.added).losing(gone).intervals
        kept = [
            each
            for each in (*self.earlier, *self.changes)
            if (each.may_take_rows and (lost or altered)) or (each.during and each.during.overlaps_any(added))
        ]
        return TableState(
            coverage,
            owner,
            known,
            time_id,
            earlier=tuple(kept[-KEPT:]),
            lost=lost,
            altered=altered,
            added=added,
            definition=self.definition if definition is None else definition,
            outdated=Coverage(self.outdated_under(definition)).losing((replaced,) if replaced else ()).intervals,
        )

    def outdated_under(self, definition: str | None) -> tuple[Window, ...]:
        """The time that is loaded, or tailed, and whose rows were made in another way.

        Args:
            definition: How rows are made now; None where nobody says.
        """
        held = Coverage(merged((*self.coverage.intervals, *self.coverage.tails)))
        if definition is None or definition == (self.definition or UNCHANGED):
            return held.within(self.outdated).intervals
        return held.intervals

    def settled(self) -> TableState:
        """What is known after a load of another measurement: what others did is kept as after any load."""
        return self.following(self.coverage, None, keeps_rows=True, owner=self.owner, tags=None, time_id=self.time_id)

    def losing(
        self, lost: Iterable[Window], altered: Iterable[Window] = (), gained: Iterable[Window] = ()
    ) -> TableState:
        """What is known after others removed rows of some time, rewrote some, or added some."""
        coverage = self.coverage.losing(lost)
        rewritten = coverage.within((*self.altered, *altered)).intervals
        return replace(self, coverage=coverage, altered=rewritten, added=merged((*self.added, *gained)))

    def others_in(self, window: Window) -> tuple[ForeignChange, ...] | None:
        """What others did to a window to which they added rows, oldest first.

        Returns:
            None where there are no such rows; empty where the snapshots that brought them are no longer known.
        """
        if not window.overlaps_any(self.added):
            return None
        kept = (*self.earlier, *self.changes)
        return tuple(each for each in kept if each.during and window.overlaps(each.during))
