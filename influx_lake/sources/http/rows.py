"""Rows that are decoded from an answer while the last ones are still being worked on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from influx_lake.sources.http.failures import HttpFailures
from influx_lake.sources.prefetch import Prefetch, Stalled

T = TypeVar("T")

_ITEMS_AHEAD = 2


class Cancellable(Protocol):
    """What another thread may end."""

    def cancel(self) -> None: ...


@contextmanager
def read_ahead(items: Generator[T, None, None], answer: Cancellable, failures: HttpFailures) -> Iterator[Iterator[T]]:
    """Decode in a thread; leaving the context makes a read that blocks end.

    Raises:
        SourceTimeout: While iterating: the next item was not complete in time, however many bytes of it came.
    """
    with Prefetch(
        items, cancel=answer.cancel, depth=_ITEMS_AHEAD, patience=failures.patience, name="http-stream"
    ) as ready:
        yield _in_time(ready, failures)


def in_time(read: Callable[[], T], answer: Cancellable, failures: HttpFailures) -> T:
    """What is read of an answer at once.

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
