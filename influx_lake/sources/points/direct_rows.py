"""Rows of a window that are read out of files as they are, up to where these have to be taken apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.sources.points.wanted_columns import WantedColumns
from influx_lake.sources.protocol import RowStream


class NotDirect(Exception):
    """The rows from a time on have to be taken apart: they are not plain, not in order, or of points that come twice.

    Args:
        begin: The nanosecond since 1970 from which on no row was passed on.
    """

    def __init__(self, begin: int) -> None:
        super().__init__(begin)
        self.begin = begin


class DirectReader(Protocol):
    """Reads windows without taking files apart."""

    def rows(self, wanted: WantedColumns, window: Window) -> Iterable[pa.RecordBatch] | None:
        """The points of a window in order of time, each once, with the columns that are read.

        Returns:
            The rows, which raise `NotDirect` where they cannot go on; None where files have to be taken apart.
        """
        ...

    def take_apart_beyond(self, begin: int, end: int) -> None:
        """Take those files apart that were read directly, if any has points outside of [begin, end)."""
        ...


class DirectRows:
    """A `RowStream`: rows as they are read, and those that are left as they are taken apart.

    Args:
        wanted: The columns.
        direct: The rows.
        staged: The rows from a time on, of points that were taken apart.
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
