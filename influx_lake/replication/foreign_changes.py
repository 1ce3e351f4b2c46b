"""The foreign changes of a measurement's table that no load has repaired, in terms of its windows."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from influx_lake.config import Measurement, WriteMode
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.iceberg.table_state import ForeignChange, Kind, TableState
from influx_lake.iceberg.table_state.coverage import Coverage

TOLD = 5
"""How many changes a message lists; JSON has all."""


@dataclass(frozen=True, slots=True)
class ForeignChanges:
    """Foreign changes of a measurement's table since its last load, and earlier ones that no load has repaired.

    Attributes:
        measurement: The measurement.
        changes: The changes, oldest first.
        windows: The closed windows that these made unloaded: they are due again.
        altered: The other loaded windows whose rows they rewrote, no fewer than before: values may differ.
        added: The closed windows, loaded or not, to which they added rows, as far as files' bounds show their times.
        strays: The time outside of these to which they added rows: no comparison reads it.
        is_rebuilt: Whether the coverage had to be derived from row counts.
        has_own_rows: Whether the table is known to hold rows of the measurement's source.
    """

    measurement: Measurement
    changes: tuple[ForeignChange, ...] = ()
    windows: tuple[Window, ...] = ()
    altered: tuple[Window, ...] = ()
    added: tuple[Window, ...] = ()
    strays: tuple[Window, ...] = ()
    is_rebuilt: bool = False
    has_own_rows: bool = True

    def __bool__(self) -> bool:
        found = self.changes or self.windows or self.altered or self.added or self.strays
        return bool(found or self.is_rebuilt)

    def __str__(self) -> str:
        """The changes, the affected windows, and the remedy."""
        said = [str(change) for change in self.changes[:TOLD]]
        if len(self.changes) > TOLD:
            said.append(f"and {counted(len(self.changes) - TOLD, 'more change')}")
        happened = "changed by others: " + "; ".join(said) if said else "changed by others"
        parts = (happened, self._rebuilt(), self._lost(), self._altered(), self._added(), self._strays())
        return ". ".join(part for part in parts if part)

    def _rebuilt(self) -> str:
        if not self.is_rebuilt:
            return ""
        return (
            "The snapshots and metadata files that would show which rows were removed are gone: only windows with at "
            "least as many rows as their load left count as loaded"
        )

    def _lost(self) -> str:
        name = self.measurement.name
        if self.windows:
            are, them = ("is", "it") if len(self.windows) == 1 else ("are", "them")
            adopting = "" if self.has_own_rows else ", with `adopt: true` if the rows of others may be replaced"
            refused = ""
            if self.measurement.write.mode is WriteMode.APPEND:
                refused = (
                    f". Where rows of that time are left that is refused (write.mode: append): there "
                    f"{replacing(self.measurement, self.windows[0].start, self.windows[-1].end)}"
                )
            return (
                f"{counted(len(self.windows), 'window')} {are} no longer loaded: {_shown(self.windows)}. "
                f"Load {them} again: influx-lake replicate {name} --missing-only{adopting}{refused}"
            )
        if self.altered or self.added or self.strays:
            return ""
        if any(change.kind is Kind.APPEND and change.rows_added for change in self.changes):
            return f"What is loaded stays; find the rows that were added: influx-lake verify {name}"
        return "No loaded window has fewer rows"

    def _altered(self) -> str:
        if not self.altered:
            return ""
        name, it, has = self.measurement.name, "them", "have"
        if len(self.altered) == 1:
            it, has = "it", "has"
        start, end = (utc_text(moment) for moment in (self.altered[0].start, self.altered[-1].end))
        bounds = f"{name} --start {start} --end {end}"
        return (
            f"Rows of {counted(len(self.altered), 'window')} were rewritten, no fewer than before: "
            f"{_shown(self.altered)}. Whether {it} {has} the source's values: influx-lake verify {bounds} --profile. "
            f"To get these, load {it} again (--missing-only does not): influx-lake replicate {bounds}"
        )

    def _added(self) -> str:
        if not self.added:
            return ""
        start, end = self.added[0].start, self.added[-1].end
        bounds = f"{self.measurement.name} --start {utc_text(start)} --end {utc_text(end)}"
        return (
            f"Rows were added to {counted(len(self.added), 'window')}: {_shown(self.added)}. What is loaded stays; "
            f"find the rows that were added: influx-lake verify {bounds}. To have the source's rows alone: "
            f"{replacing(self.measurement, start, end)}"
        )

    def _strays(self) -> str:
        if not self.strays:
            return ""
        first, last = utc_text(self.strays[0].start), utc_text(self.strays[-1].end)
        return f"Rows were added outside of the closed windows, from {first} to {last}: no comparison looks there"


def replacing(measurement: Measurement, start: datetime, end: datetime) -> str:
    """The command that replaces windows by the source's rows, whatever `write.mode` and `on_shrink` say."""
    bounds = ["--start", utc_text(start), "--end", utc_text(end)]
    return shlex.join(["influx-lake", "replicate", measurement.name, *bounds, "--replace"])


def told_of(changes: tuple[ForeignChange, ...]) -> str:
    """The foreign changes of a window in words; `changes` as returned by `TableState.others_in`."""
    said = [str(change) for change in changes[-TOLD:]]
    return "; ".join(said) if said else "in snapshots that are no longer known"


def _shown(windows: tuple[Window, ...]) -> str:
    more = f" and {len(windows) - 3:,} more" if len(windows) > 3 else ""
    return ", ".join(str(window) for window in islice(windows, 3)) + more


def foreign_changes(measurement: Measurement, state: TableState, now: datetime) -> ForeignChanges:
    """The foreign changes of a measurement's table since its last load, and earlier ones that no load has repaired.

    Args:
        measurement: The measurement.
        state: The state of its table.
        now: The present.
    """
    until = now - measurement.lag

    def closed(parts: Iterable[Window]) -> set[Window]:
        windows = (window for part in parts for window in measurement.scheme.windows(part.start, part.end))
        return {window for window in windows if window.end <= until}

    lost, added = closed(state.lost), closed(state.added)
    return ForeignChanges(
        measurement,
        (*state.earlier, *state.changes),
        tuple(sorted(lost)),
        tuple(sorted(closed(state.altered) - lost)),
        tuple(sorted(added)),
        Coverage(state.added).losing(added).intervals,
        state.is_rebuilt,
        state.owner is not None,
    )
