"""Rows that are decoded from an answer while the last ones are still being worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Protocol

import pyarrow as pa

from influx_lake.config.connections import ServerConfig
from influx_lake.sources.http.failures import HttpFailures
from influx_lake.sources.prefetch import Prefetch, Stalled

_BATCHES_AHEAD = 2


class HttpRows:
    """A `RowStream`: the rows of one window, as they come."""

    def __init__(self, layout: pa.Schema, batches: Iterator[pa.RecordBatch], failures: HttpFailures) -> None:
        self.schema = layout
        self._batches = batches
        self._failures = failures

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        stalled = False
        try:
            yield from self._batches
        except Stalled:
            stalled = True
        if stalled:
            raise self._failures.silence()


class Cancellable(Protocol):
    """What another thread may end."""

    def cancel(self) -> None: ...


def read_ahead(
    batches: Generator[pa.RecordBatch, None, None], answer: Cancellable, config: ServerConfig
) -> Prefetch[pa.RecordBatch]:
    """Decode in a thread; leaving the context makes a read that blocks end."""
    return Prefetch(
        batches,
        cancel=answer.cancel,
        depth=_BATCHES_AHEAD,
        patience=config.timeout.total_seconds(),
        name="http-stream",
    )
