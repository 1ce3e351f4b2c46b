"""Who else writes parts of a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from influx_lake.config.values.windows import Window


@dataclass(frozen=True, slots=True)
class PartsWanted:
    """Parts of a window that have to be written.

    Attributes:
        window: The window.
        parts: The parts, oldest first.
        with_nanoseconds: Whether their rows are to be given the column for whole times.
    """

    window: Window
    parts: Sequence[Window]
    with_nanoseconds: bool


class Helpers(Protocol):
    """Other processes that write parts."""

    def help(self, wanted: PartsWanted) -> AbstractContextManager[Iterator[Window]]:
        """Have parts written.

        Leaving the context ends what is still done for them.

        Returns:
            The parts that the caller has to write: each when it is clear that nobody else does. The end comes when
            nobody is at work any more; whoever failed to write a part has left it unwritten.
        """
        ...


class NoHelpers:
    """Nobody: the caller writes all parts."""

    def help(self, wanted: PartsWanted) -> AbstractContextManager[Iterator[Window]]:
        """The parts, one after the other."""
        return nullcontext(iter(wanted.parts))
