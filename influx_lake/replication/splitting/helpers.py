"""Helpers: other processes that write parts of a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from influx_lake.config.values.windows import Window


@dataclass(frozen=True, slots=True)
class PartsWanted:
    """Parts of a window to write.

    Attributes:
        window: The window.
        parts: The parts, oldest first.
        with_nanoseconds: Whether their rows get the column of nanoseconds.
    """

    window: Window
    parts: Sequence[Window]
    with_nanoseconds: bool


class Helpers(Protocol):
    """Other processes that write parts."""

    def help(self, wanted: PartsWanted) -> AbstractContextManager[Iterator[Window]]:
        """Share parts with other processes.

        Leaving the context ends their unfinished work.

        Returns:
            The parts that the caller has to write: each once it is clear that no other process does. It ends when all
            other processes have ended; parts that they failed to write may be left over.
        """
        ...


class NoHelpers:
    """No helpers: the caller writes all parts."""

    def help(self, wanted: PartsWanted) -> AbstractContextManager[Iterator[Window]]:
        """The parts, one after the other."""
        return nullcontext(iter(wanted.parts))
