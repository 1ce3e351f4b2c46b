"""What became of a window of a table that is adopted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.adoption.difference import Difference


class Outcome(StrEnum):
    """What became of a window, or is to become of it."""

    EQUAL = "equal"
    """Both sides have the same rows: it is recorded as loaded."""
    LOADED = "loaded"
    """It differed, and was loaded from the source."""
    KEPT = "kept"
    """The source has none, or no more, of its rows: they stay, and it is recorded as loaded."""
    DONE = "done"
    """It was loaded into the new table before."""


@dataclass(frozen=True, slots=True)
class AdoptedWindow:
    """A window that was looked at.

    Attributes:
        window: The window.
        outcome: What became of it.
        found: How it differed.
        kept: How many rows stay that the source does not have.
        copies: How many go that are equal to one of those in every column.
        result: What loading it did.
    """

    window: Window
    outcome: Outcome
    found: Difference
    kept: int = 0
    copies: int = 0
    result: WindowResult | None = None

    @property
    def explanation(self) -> str:
        """How it differed, in words."""
        if self.outcome is Outcome.DONE:
            return "in the new table already"
        found = self.found
        parts = [
            f"{counted(rows, 'row')} {what}"
            for rows, what in (
                (found.missing, "missing"),
                (found.doubled, "doubled"),
                (found.changed, f"with other values in {', '.join(found.columns)}"),
                (found.gone, "not in the source any more"),
            )
            if rows
        ]
        if found.gone and not self.kept:
            parts.append("which go (on_shrink: replace)")
        if self.copies:
            parts.append(f"{self.copies:,} of these copies of others, which go")
        return ", ".join(parts) or "equal"
