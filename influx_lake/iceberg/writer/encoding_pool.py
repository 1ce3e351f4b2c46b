"""Encodes row groups in threads while more rows are read, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Barrier
from typing import Any, TypeVar

T = TypeVar("T")

MOST_THREADS = 4
"""The largest default number of threads: each holds a row group, and a run may load several windows at once."""


class EncodingPool:
    """Threads that encode and upload; Parquet's encoder and the store's client release Python's global lock.

    They are started by the first work: a small window, which its own thread encodes, starts none. All methods except
    `aside` must be called by the thread that created it.

    Args:
        threads: The number of row groups that are encoded at once; None: the number of available cores, two to four.

    Attributes:
        threads: The number of threads.
    """

    def __init__(self, threads: int | None = None) -> None:
        # Two even for one core: while one waits for the store, the other encodes.
        self.threads = threads or max(2, min(MOST_THREADS, len(os.sched_getaffinity(0))))
        self._executor: ThreadPoolExecutor | None = None
        self._closed = False
        self._running: dict[Future[Any], int] = {}

    @property
    def bytes(self) -> int:
        """The memory of the rows that are being encoded, in bytes."""
        return sum(self._running.values())

    def submit(self, size: int, work: Callable[..., None], *arguments: Any) -> Future[None]:
        """Submit work that holds some bytes, once a thread is free.

        Raises:
            Exception: An exception of earlier work.
        """
        while len(self._running) >= self.threads:
            self.wait_for_one()
        future = self._started().submit(work, *arguments)
        self._running[future] = size
        return future

    def wait_for_one(self) -> None:
        """Wait until a piece of work is done.

        Raises:
            Exception: Its exception.
        """
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in done:
            del self._running[future]
            future.result()

    def aside(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Submit work that holds no rows, like the end of an upload; work may call it too."""
        return self._started().submit(work, *arguments)

    def close(self) -> None:
        """Wait for work that has begun, and cancel the rest; more is refused."""
        self._closed = True
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ThreadPoolExecutor:
        if self._executor is None:
            if self._closed:
                raise RuntimeError("the pool is closed")
            self._executor = _with_all_threads(self.threads)
        return self._executor


def _with_all_threads(count: int) -> ThreadPoolExecutor:
    """Create an executor whose threads all run before it gets work.

    An executor starts a thread when it first needs it, and records it afterwards (CPython 3.11 to 3.13): if a signal
    raises an exception in between, the thread works on, and `shutdown` does not wait for it. It would write to a file
    that was closed meanwhile, which ends the process with a segmentation fault.
    """
    executor, all_there = ThreadPoolExecutor(count, thread_name_prefix="encode"), Barrier(count)
    try:
        wait([executor.submit(all_there.wait) for _ in range(count)])
    except BaseException:
        all_there.abort()
        raise
    return executor
