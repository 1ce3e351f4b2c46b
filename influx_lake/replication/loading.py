"""Windows into their tables: one, or several at once."""

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
    """The rows of a window of a table. Nothing is read or asked before they are loaded."""

    @property
    def subject(self) -> str:
        """What the rows are of, for people: a measurement or a table."""
        ...

    @property
    def window(self) -> Window:
        """The window."""
        ...

    def load(self) -> WindowLoad:
        """The rows as a stream of Arrow batches with its schema, which can be read again, and how they are written.

        Raises:
            LakeError: The source or the table cannot tell what it has to.
        """
        ...

    def loaded(self, done: WindowResult) -> WindowResult:
        """What loading them did, completed by what is known here.

        Args:
            done: What it did to the table.
        """
        ...


@runtime_checkable
class LoadedElsewhere(Protocol):
    """A window that another process loads as a whole."""

    @property
    def subject(self) -> str:
        """What it is of, for people: a measurement or a table."""
        ...

    @property
    def window(self) -> Window:
        """The window."""
        ...

    def result(self) -> WindowResult:
        """Have it loaded.

        Raises:
            LakeError: It failed there.
        """
        ...


def load_rows(rows: WindowRows | LoadedElsewhere) -> WindowResult:
    """Load a window: guarded, in the table's write mode, and from the beginning again where its source breaks off.

    Raises:
        LakeError: Of the class that says what can be done about it, naming what was loaded; the table is as it was.
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
        windows: The windows, and what the caller knows each by; taken as they are loaded.
        at_once: How many are loaded at the same time, in threads.

    Yields:
        Each when it is loaded.

    Raises:
        LakeError: The first failure. No window is begun after it; those under way are finished, and yielded, before.
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
    """Load, and again from the beginning where what was written of a window cannot be the whole."""
    interruptions = 0
    while True:
        load.progress.rows = 0
        try:
            return work(load)
        except FineTimesMet:
            # Once in a table's life: the rows before the first fine one are to hold their nanoseconds too.
            load = replace(load, target=replace(load.target, with_nanoseconds=True))
        except (WindowInterrupted, ColumnsChanged, BranchOutdated) as error:
            interruptions += 1
            if interruptions > MOST_INTERRUPTIONS:
                raise
            log.warning("%s (the window is begun again)", error)
