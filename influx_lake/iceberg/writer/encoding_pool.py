"""Encodes row groups while more rows are read: of several files at once, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Barrier
from typing import Any, TypeVar

T = TypeVar("T")

MOST_THREADS = 4
"""Every one holds a row group; a run may have several windows at work."""


class EncodingPool:
    """Threads that encode and upload; Parquet's encoder and the store's client leave Python's lock to the others.

    All of its methods but `aside` are for the thread that has made it.

    Args:
        threads: How many row groups are encoded at once; None: as many as the processor has cores for, four at most.

    Attributes:
        threads: The same number.
    """

    def __init__(self, threads: int | None = None) -> None:
        # Two even for one core: while one waits for the store the other encodes.
        self.threads = threads or max(2, min(MOST_THREADS, len(os.sched_getaffinity(0))))
        self._executor = _with_all_threads(self.threads)
        self._running: dict[Future[Any], int] = {}

    @property
    def bytes(self) -> int:
        """The memory of the rows that are being encoded."""
        return sum(self._running.values())

    def submit(self, size: int, work: Callable[..., None], *arguments: Any) -> Future[None]:
        """Do work that holds some bytes, when a thread is free for it.

        Raises:
            Exception: What other work has raised.
        """
        while len(self._running) >= self.threads:
            self.wait_for_one()
        future = self._executor.submit(work, *arguments)
        self._running[future] = size
        return future

    def wait_for_one(self) -> None:
        """Wait until some work is done.

        Raises:
            Exception: What the work has raised.
        """
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in done:
            del self._running[future]
            future.result()

    def aside(self, work: Callable[..., T], *arguments: Any) -> Future[T]:
        """Do work that holds no rows, like the end of an upload; may be called by work."""
        return self._executor.submit(work, *arguments)

    def close(self) -> None:
        """Wait for the work that has begun, and drop the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _with_all_threads(count: int) -> ThreadPoolExecutor:
    """An executor whose threads are there before it gets work.

    An executor starts a thread when it first needs it, and notes it afterwards (CPython 3.11 to 3.13): where a signal's
    exception is raised in between, the thread works on, and `shutdown` does not wait for it. It would write to a file
    that was closed meanwhile, which ends the process with a segmentation fault.
    """
    executor, all_there = ThreadPoolExecutor(count, thread_name_prefix="encode"), Barrier(count)
    try:
        wait([executor.submit(all_there.wait) for _ in range(count)])
    except BaseException:
        all_there.abort()
        raise
    return executor
