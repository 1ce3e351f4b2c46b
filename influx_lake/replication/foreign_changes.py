"""What others did to a measurement's table since its last load, in the measurement's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from influx_lake.config import Measurement
from influx_lake.config.quantities import counted
from influx_lake.config.windows import Window
from influx_lake.iceberg.table_state import ForeignChange, Kind, TableState

TOLD = 5
"""How many changes are told of in a message; JSON has all."""


@dataclass(frozen=True, slots=True)
class ForeignChanges:
    """What others did to a measurement's table since its last load.

    Attributes:
        measurement: The measurement.
        changes: What they did, oldest first.
        windows: The closed windows that were loaded, and no longer are because of it: they are due again.
        is_rebuilt: Whether what is loaded had to be told from row counts.
        has_own_rows: Whether the table is known to hold rows of the measurement's source.
    """

    measurement: Measurement
    changes: tuple[ForeignChange, ...] = ()
    windows: tuple[Window, ...] = ()
    is_rebuilt: bool = False
    has_own_rows: bool = True

    def __bool__(self) -> bool:
        return bool(self.changes or self.windows or self.is_rebuilt)

    def __str__(self) -> str:
        """What happened, which windows it concerns, and what to do."""
        said = [str(change) for change in self.changes[:TOLD]]
        if len(self.changes) > TOLD:
            said.append(f"and {counted(len(self.changes) - TOLD, 'more change')}")
        happened = "changed by others: " + "; ".join(said) if said else "changed by others"
        return ". ".join(part for part in (happened, self._rebuilt(), self._consequence()) if part)

    def _rebuilt(self) -> str:
        if not self.is_rebuilt:
            return ""
        return (
            "The snapshots and metadata files that would tell which rows went are gone: only windows with at least as "
            "many rows as their load left count as loaded"
        )

    def _consequence(self) -> str:
        name = self.measurement.name
        if self.windows:
            shown = ", ".join(str(window) for window in islice(self.windows, 3))
            more = f" and {len(self.windows) - 3:,} more" if len(self.windows) > 3 else ""
            are, them = ("is", "it") if len(self.windows) == 1 else ("are", "them")
            adopting = "" if self.has_own_rows else ", with `adopt: true` if the rows of others may be replaced"
            return (
                f"{counted(len(self.windows), 'window')} {are} no longer loaded: {shown}{more}. Load {them} again: "
                f"influx-lake replicate {name} --missing-only{adopting}"
            )
        if any(change.kind is Kind.OVERWRITE for change in self.changes):
            return f"No loaded window has fewer rows; compare its values: influx-lake verify {name} --profile"
        if any(change.kind is Kind.APPEND and change.rows_added for change in self.changes):
            return f"What is loaded stays; find the rows that were added: influx-lake verify {name}"
        return "No loaded window has fewer rows"


def foreign_changes(measurement: Measurement, state: TableState, now: datetime) -> ForeignChanges:
    """What others did to a measurement's table since its last load.

    Args:
        measurement: The measurement.
        state: What is known of its table.
        now: The present.
    """
    until = now - measurement.lag
    windows = dict.fromkeys(
        window
        for lost in state.lost
        for window in measurement.scheme.windows(lost.start, lost.end)
        if window.end <= until
    )
    return ForeignChanges(measurement, state.changes, tuple(sorted(windows)), state.is_rebuilt, state.owner is not None)
