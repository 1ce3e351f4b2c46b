"""Decodes responses in a thread, ahead of their processing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from influx_lake.sources.http.failures import HttpFailures
from influx_lake.sources.prefetch import Prefetch, Stalled

T = TypeVar("T")

_ITEMS_AHEAD = 2


class Cancellable(Protocol):
    """A response that another thread may cancel."""

    def cancel(self) -> None: ...


@contextmanager
def read_ahead(items: Generator[T, None, None], answer: Cancellable, failures: HttpFailures) -> Iterator[Iterator[T]]:
    """A context that decodes in a thread; leaving it ends a blocking read.

    Raises:
        SourceTimeout: While iterating: an item was not complete in time, even if bytes of it arrived.
    """
    with Prefetch(
        items, cancel=answer.cancel, depth=_ITEMS_AHEAD, patience=failures.patience, name="http-stream"
    ) as ready:
        yield _in_time(ready, failures)


def in_time(read: Callable[[], T], answer: Cancellable, failures: HttpFailures) -> T:
    """Read something of a response as a whole, with the timeout.

    Raises:
        SourceTimeout: It was not complete in time.
    """

    def once() -> Generator[T, None, None]:
        yield read()

    with read_ahead(once(), answer, failures) as ready:
        return next(ready)


def _in_time(ready: Iterator[T], failures: HttpFailures) -> Iterator[T]:
    stalled = False
    try:
        yield from ready
    except Stalled:
        stalled = True
    if stalled:
        raise failures.silence()
