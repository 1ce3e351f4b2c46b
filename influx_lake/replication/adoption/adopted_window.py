"""The outcome of adopting one window of a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.adoption.difference import Difference


class Outcome(StrEnum):
    """What was done with a window, or would be in a dry run."""

    EQUAL = "equal"
    """Both sides have the same rows: it is recorded as loaded."""
    LOADED = "loaded"
    """It differed, and was loaded from the source."""
    KEPT = "kept"
    """The source has none of its rows, or no more of them: they stay, and the window is recorded as loaded."""
    DONE = "done"
    """It was loaded into the new table by an earlier run."""


@dataclass(frozen=True, slots=True)
class AdoptedWindow:
    """A window that was compared.

    Attributes:
        window: The window.
        outcome: What was done with it.
        found: The difference that was found.
        kept: The number of rows that stay though the source does not have them.
        copies: The number of rows dropped as exact copies of one that stays.
        result: The result of loading it.
    """

    window: Window
    outcome: Outcome
    found: Difference
    kept: int = 0
    copies: int = 0
    result: WindowResult | None = None

    @property
    def explanation(self) -> str:
        """The difference, in words."""
        if self.outcome is Outcome.DONE:
            return "in the new table already"
        found = self.found
        parts = [
            f"{counted(rows, 'row')} {what}"
            for rows, what in (
                (found.missing, "missing"),
                (found.doubled, "doubled"),
                (found.changed, f"with other values in {', '.join(found.columns)}"),
                (found.gone, "no longer in the source"),
            )
            if rows
        ]
        if found.gone and not self.kept:
            parts.append("which go (on_shrink: replace)")
        if self.copies:
            parts.append(f"{self.copies:,} of these copies of others, which go")
        return ", ".join(parts) or "equal"
