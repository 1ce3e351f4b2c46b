"""Runs DuckDB queries in a thread, so that signals interrupt them: a running query would block Python's signal
handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import duckdb

_T = TypeVar("_T")
_AGAIN_SECONDS = 0.1


class Run(Protocol):
    """Runs a call and returns its result."""

    def __call__(self, call: Callable[[], _T], /) -> _T:
        """Run a call; returns its result or raises its error."""


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[Run]:
    """A context that runs calls on a connection in a thread, and interrupts them on a signal."""
    with ThreadPoolExecutor(1, thread_name_prefix="duckdb") as pool:

        def run(call: Callable[[], Any], /) -> Any:
            future = pool.submit(call)
            try:
                return future.result()
            except BaseException:
                # Repeated, since the query may not have begun yet.
                while not future.done():
                    connection.interrupt()
                    wait([future], timeout=_AGAIN_SECONDS)
                raise

        yield run
