"""Reading ahead: the next items are fetched while the last ones are still being worked on."""

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
    """No item came in the time that was given for it."""


class Prefetch(Generic[T]):
    """Runs a generator in a thread, a few items ahead of whoever iterates over this.

    It gives what a blocking call into C++ cannot: a limit for the wait, and a wait that Ctrl-C and Dagster's
    termination can interrupt. An error of the generator is raised after the items before it.

    Args:
        items: What to run. It is started by entering the context, and it runs and is closed in the thread only.
        cancel: Makes a blocked `items` end soon; called from the other thread when the context is left.
        depth: How many items may wait.
        patience: For how many seconds to wait for one item.
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
        # A daemon: a call that cannot be cancelled must not keep the process from ending.
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
            Stalled: It did not come in time.
            RuntimeError: The context was left: what is missing must not look like the end.
        """
        with self._changed:
            came = self._changed.wait_for(lambda: self._ready or self._ended or self._closed, self._patience)
            if self._closed:
                raise RuntimeError("the stream was closed")
            if not came:
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
