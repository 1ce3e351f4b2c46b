"""Fetches the next items in a thread while earlier ones are being processed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_ORDERLY_END_SECONDS = 1.0


class Stalled(Exception):
    """No item arrived within the time limit."""


class Prefetch(Generic[T]):
    """Runs a generator in a thread, a few items ahead of the consumer.

    Unlike a blocking call into C++, waiting for an item has a time limit, and Ctrl-C and Dagster's termination can
    interrupt it. An error of the generator is raised after the items before it.

    Args:
        items: The generator. Entering the context starts it; it runs and is closed only in the thread.
        cancel: Makes a blocked `items` end soon; called from the other thread when the context is left.
        depth: How many items may wait.
        patience: The seconds to wait for one item.
        name: The thread's name.
    """

    def __init__(
        self,
        items: Generator[T, None, None],
        *,
        cancel: Callable[[], None],
        depth: int,
        patience: float,
        name: str,
    ) -> None:
        self._items = items
        self._cancel = cancel
        self._depth = depth
        self._patience = patience
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        # A daemon: a call that cannot be cancelled must not keep the process alive.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        self._cancel()
        self._thread.join(_ORDERLY_END_SECONDS)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """The next item.

        Raises:
            Stalled: It did not arrive in time.
            RuntimeError: The context was left: missing items must not look like the end.
        """
        with self._changed:
            arrived = self._changed.wait_for(lambda: self._ready or self._ended or self._closed, self._patience)
            if self._closed:
                raise RuntimeError("the stream was closed")
            if not arrived:
                raise Stalled
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
        if self._error is not None:
            raise self._error
        raise StopIteration

    def _work(self) -> None:
        try:
            with closing(self._items):
                for item in self._items:
                    if not self._offer(item):
                        break
        except BaseException as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _offer(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < self._depth or self._closed)
            if not self._closed:
                self._ready.append(item)
                self._changed.notify_all()
            return not self._closed
