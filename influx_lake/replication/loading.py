"""Loads windows into their tables: one, or several at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from itertools import islice
from typing import Protocol, TypeVar, runtime_checkable

from influx_lake.config.values.windows import Window
from influx_lake.errors import BranchOutdated, ColumnsChanged, WindowInterrupted, naming
from influx_lake.iceberg.columns.timestamps import FineTimesMet
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult
from influx_lake.replication.modes import load_window
from influx_lake.replication.observing import observed

MOST_INTERRUPTIONS = 3

K = TypeVar("K")
T = TypeVar("T")

log = logging.getLogger("influx_lake.replication")


class WindowRows(Protocol):
    """The rows of a window of a table. Nothing is read before they are loaded."""

    @property
    def subject(self) -> str:
        """The measurement or table, for people."""
        ...

    @property
    def window(self) -> Window:
        """The window."""
        ...

    def load(self) -> WindowLoad:
        """The load: the rows as a stream of Arrow batches that can be read again, with write options.

        Raises:
            LakeError: Source or table cannot be read.
        """
        ...

    def loaded(self, done: WindowResult) -> WindowResult:
        """The result of the load, completed.

        Args:
            done: The result of the commit.
        """
        ...


@runtime_checkable
class LoadedElsewhere(Protocol):
    """A window that another process loads as a whole."""

    @property
    def subject(self) -> str:
        """The measurement or table, for people."""
        ...

    @property
    def window(self) -> Window:
        """The window."""
        ...

    def result(self) -> WindowResult:
        """Wait for the load, and return its result.

        Raises:
            LakeError: The load failed.
        """
        ...


def load_rows(rows: WindowRows | LoadedElsewhere) -> WindowResult:
    """Load a window: with guards, in the table's write mode, and restarted where its source is interrupted.

    Raises:
        LakeError: The table is unchanged; the error names measurement and window, and its class tells what can be done.
    """
    with observed(rows) as results, naming(rows.subject, rows.window):
        results.append(_loaded(rows))
        return results[-1]


def _loaded(rows: WindowRows | LoadedElsewhere) -> WindowResult:
    if isinstance(rows, LoadedElsewhere):
        return rows.result()
    return rows.loaded(restart_on_interruption(rows.load(), load_window))


def load_windows(
    windows: Iterable[tuple[K, WindowRows | LoadedElsewhere]], at_once: int = 1
) -> Iterator[tuple[K, WindowResult]]:
    """Load several windows, each in a commit of its own.

    Args:
        windows: The windows, each with a key of the caller; consumed as they are loaded.
        at_once: How many are loaded at the same time, in threads.

    Yields:
        Each key, with the result, when the window is loaded.

    Raises:
        LakeError: The first failure. No window is begun after it; those under way are finished and yielded first.
    """
    waiting = iter(windows)
    if at_once <= 1:
        for key, rows in waiting:
            yield key, load_rows(rows)
        return
    under_way: dict[Future[WindowResult], K] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(at_once, "window") as threads:
        while True:
            room = at_once - len(under_way) if failure is None else 0
            for key, rows in islice(waiting, room):
                under_way[threads.submit(copy_context().run, load_rows, rows)] = key
            if not under_way:
                break
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                key = under_way.pop(future)
                if (error := future.exception()) is None:
                    yield key, future.result()
                else:
                    failure = failure or error
    if failure is not None:
        raise failure


def restart_on_interruption(load: WindowLoad, work: Callable[[WindowLoad], T]) -> T:
    """Run a load, and restart it where its source was interrupted or the table changed incompatibly."""
    interruptions = 0
    while True:
        load.progress.rows = 0
        try:
            return work(load)
        except FineTimesMet:
            # Once for a table: rows before the first one with nanoseconds have to get the column too.
            load = replace(load, target=replace(load.target, with_nanoseconds=True))
        except (WindowInterrupted, ColumnsChanged, BranchOutdated) as error:
            interruptions += 1
            if interruptions > MOST_INTERRUPTIONS:
                raise
            log.warning("%s (the window is restarted)", error)
