"""Detects rows that a stream adds to a window while the window is read from another source: they may be newer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowInterrupted
from influx_lake.iceberg.streams.position import added_since, position_in

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(slots=True)
class StreamedMeanwhile:
    """Checks whether a stream has added points to a window since the window began to be read.

    Attributes:
        stream: The stream's name.
        window: The window.
    """

    stream: str
    window: Window
    _since: int | None = None

    def begin(self, table: Table | None) -> None:
        """Record the position of the stream: the window is read from now on.

        Raises:
            StorageError: The position cannot be read.
        """
        held = position_in(table, self.stream)
        self._since = held.sequence if held else 0

    def check(self, table: Table) -> None:
        """Check that the stream added nothing to the window.

        Raises:
            WindowInterrupted: It added points, which the rows that were read may lack.
        """
        if self._since is None:
            return
        if any(each.overlaps(self.window) for each in added_since(table, self.stream, self._since)):
            raise WindowInterrupted(
                f"the stream {self.stream} added points to the window while it was read: the source may have had them "
                "too late",
                remedy="Load the window again",
            )
