"""The recorded state of a table, for one of its snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from influx_lake.config.transforms.definition import UNCHANGED
from influx_lake.config.values.windows import Window, merged
from influx_lake.iceberg.table_state.changes import ForeignChange
from influx_lake.iceberg.table_state.coverage import Coverage

NOTHING = Coverage()
KEPT = 3
"""The number of other tools' changes kept after the next load: each takes a hundred characters of a summary."""


@dataclass(frozen=True, slots=True)
class TableState:
    """The recorded state of a table's current snapshot.

    Attributes:
        coverage: The time that it holds.
        owner: The identity of the source whose rows it holds; None where no load of ours wrote any.
        tags: The tag columns, including those that the source no longer has; None where no load has recorded them.
        time_id: The field id of the time column; None where no load has recorded it.
        changes: The changes by other tools since the last load, oldest first.
        earlier: Their changes before it, as long as time that they changed was not loaded again.
        lost: The time that was covered and no longer is, because of all these changes.
        altered: The covered time that they rewrote with at least as many rows: values may differ.
        added: The time, covered or not, to which they added rows.
        definition: The definition of the rows of the last load; None where no load has recorded it.
        outdated: The covered time whose rows were loaded under another definition.
        is_rebuilt: Whether the ancestors of the snapshot are gone, so that the coverage was derived from row counts.
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
        """The state after a load: tags accumulate, and other tools' changes are dropped once none of their effect is
        left.

        Args:
            coverage: The coverage afterwards.
            replaced: The time whose rows are now all the source's; None where rows were only added.
            keeps_rows: Whether rows of that time were kept that the source does not have.
            owner: The identity of the source.
            tags: Its tags; None where they are unknown.
            time_id: The field id of the time column.
            definition: The definition of its rows; None where it is unknown.
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
        """The covered or tailed time whose rows were loaded under another definition.

        Args:
            definition: The current definition; None where it is unknown.
        """
        held = Coverage(merged((*self.coverage.intervals, *self.coverage.tails)))
        if definition is None or definition == (self.definition or UNCHANGED):
            return held.within(self.outdated).intervals
        return held.intervals

    def settled(self) -> TableState:
        """The state after a load of another measurement: other tools' changes are kept as after any load."""
        return self.following(self.coverage, None, keeps_rows=True, owner=self.owner, tags=None, time_id=self.time_id)

    def losing(
        self, lost: Iterable[Window], altered: Iterable[Window] = (), gained: Iterable[Window] = ()
    ) -> TableState:
        """The state after other tools removed rows of some time, rewrote some, or added some."""
        coverage = self.coverage.losing(lost)
        rewritten = coverage.within((*self.altered, *altered)).intervals
        return replace(self, coverage=coverage, altered=rewritten, added=merged((*self.added, *gained)))

    def others_in(self, window: Window) -> tuple[ForeignChange, ...] | None:
        """The changes by other tools that added rows to a window, oldest first.

        Returns:
            None where there are no such rows; empty where the snapshots that added them are no longer known.
        """
        if not window.overlaps_any(self.added):
            return None
        kept = (*self.earlier, *self.changes)
        return tuple(each for each in kept if each.during and window.overlaps(each.during))
