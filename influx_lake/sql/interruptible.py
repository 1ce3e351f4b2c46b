"""Work of DuckDB's that a signal stops: within it Python gets to no signal until the query is over."""

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
    """Runs a call and gives what it returns."""

    def __call__(self, call: Callable[[], _T], /) -> _T:
        """What it returns, or the error that it raises."""


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[Run]:
    """Run calls that work on a connection in a thread, so that this one hears signals, and then interrupts them."""
    with ThreadPoolExecutor(1, thread_name_prefix="duckdb") as pool:

        def run(call: Callable[[], Any], /) -> Any:
            future = pool.submit(call)
            try:
                return future.result()
            except BaseException:
                # The query may not have begun when it is interrupted.
                while not future.done():
                    connection.interrupt()
                    wait([future], timeout=_AGAIN_SECONDS)
                raise

        yield run
