"""A window asked for in pieces, one answer after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.sources.http import ByteStream

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def within_shards(window: Window, shard: timedelta | None) -> Iterator[Window]:
    """The parts of a window of which none is of two shards.

    A shard has one type of each field. Where a series changes its type, Flux leaves out what comes behind it without an
    error. Shards begin where the time since 1970 is a multiple of their length, which is days unless their data is kept
    for less than two; older shards may have another length than newer ones.

    Args:
        window: The window.
        shard: How long the shards of its bucket are; None where nobody knows.
    """
    step = math.gcd(_DAY // _SECOND, (shard or _DAY) // _SECOND) * _SECOND
    start = window.start
    while start < window.end:
        end = min(_EPOCH + ((start - _EPOCH) // step + 1) * step, window.end)
        yield Window(start, end)
        start = end


class Answers:
    """The rows of pieces, asked for when it is their turn. Another thread may cancel.

    Args:
        pieces: The pieces.
        ask: Asks for one.
        decode: Makes rows of the answer for one.
    """

    def __init__(
        self,
        pieces: Iterator[Window],
        ask: Callable[[Window], AbstractContextManager[ByteStream]],
        decode: Callable[[Window, ByteStream], Iterator[pa.RecordBatch]],
    ) -> None:
        self._pieces = pieces
        self._ask = ask
        self._decode = decode
        self._current: ByteStream | None = None
        self._cancelled = False

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """The rows."""
        for piece in self._pieces:
            with self._ask(piece) as answer:
                self._current = answer
                if self._cancelled:
                    return
                yield from self._decode(piece, answer)

    def cancel(self) -> None:
        """Make a read that blocks end soon, and ask for nothing more."""
        self._cancelled = True
        if self._current is not None:
            self._current.cancel()
