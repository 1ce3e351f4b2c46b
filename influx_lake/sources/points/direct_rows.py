"""Rows of a window that are read directly from files, up to where these have to be staged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.sources.points.wanted_columns import WantedColumns
from influx_lake.sources.protocol import RowStream


class NotDirect(Exception):
    """The rows from a time on have to be staged: they are not plain, not sorted, or have duplicate points.

    Args:
        begin: The nanosecond since 1970 from which on no row was passed on.
    """

    def __init__(self, begin: int) -> None:
        super().__init__(begin)
        self.begin = begin


class DirectReader(Protocol):
    """Reads windows without staging files."""

    def rows(self, wanted: WantedColumns, window: Window) -> Iterable[pa.RecordBatch] | None:
        """The points of a window, sorted by time and without duplicates, with the columns that are read.

        Returns:
            The rows, which raise `NotDirect` when they cannot continue; None if files have to be staged.
        """
        ...

    def stage_beyond(self, begin: int, end: int) -> None:
        """Stage the files that were read directly, if any of them has points outside [begin, end)."""
        ...


class DirectRows:
    """A `RowStream`: the rows that are read directly, then the others from staged points.

    Args:
        wanted: The columns.
        direct: The rows that are read directly.
        staged: Returns the rows from a time on, from staged points.
    """

    def __init__(
        self, wanted: WantedColumns, direct: Iterable[pa.RecordBatch], staged: Callable[[int], RowStream]
    ) -> None:
        self.schema = wanted.passed_on
        self._wanted = wanted
        self._direct = direct
        self._staged = staged

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._direct:
                yield from self._wanted.selected(batch)
            return
        except NotDirect as stop:
            begin = stop.begin
        yield from self._staged(begin)
