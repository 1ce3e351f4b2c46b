"""Splits the query of a window into several."""

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
    """The parts of a window, each within one shard.

    A shard has one type for each field. Where a series changes its type, Flux silently omits everything after the
    change. Shards start at multiples of their length since 1970, which is a number of days unless data is kept for less
    than two days; older shards may have another length than newer ones.

    Args:
        window: The window.
        shard: The length of the bucket's shards; None where it is not known.
    """
    step = math.gcd(_DAY // _SECOND, (shard or _DAY) // _SECOND) * _SECOND
    start = window.start
    while start < window.end:
        end = min(_EPOCH + ((start - _EPOCH) // step + 1) * step, window.end)
        yield Window(start, end)
        start = end


class Answers:
    """The rows of several queries, sent one after the other. Another thread may cancel.

    Args:
        pieces: The parts of the window.
        ask: Sends the query of a part.
        decode: Decodes the response for a part.
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
        """Yield the rows."""
        for piece in self._pieces:
            with self._ask(piece) as answer:
                self._current = answer
                if self._cancelled:
                    return
                yield from self._decode(piece, answer)

    def cancel(self) -> None:
        """End a blocking read soon, and send no further query."""
        self._cancelled = True
        if self._current is not None:
            self._current.cancel()
