"""Observers of loads: each is notified when a load begins, succeeds or fails.

An entry point opens `observed_by` around its work. Observers neither change a load nor fail it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from influx_lake import recorder
from influx_lake.config.values.windows import Window
from influx_lake.errors import LakeError
from influx_lake.iceberg.window_result import WindowResult


class Work(Protocol):
    """A load: of a window of a measurement or a roll-up, a tail, or rows of an asset."""

    @property
    def subject(self) -> str:
        """The measurement or table, for people."""
        ...

    @property
    def window(self) -> Window: ...


class LoadObserver(Protocol):
    """Is notified of loads, by the thread that runs them."""

    def begun(self, work: Work) -> None:
        """A load begins."""
        ...

    def loaded(self, work: Work, results: Sequence[WindowResult]) -> None:
        """A load succeeded, with its commits; none where there was nothing new."""
        ...

    def failed(self, work: Work, error: BaseException) -> None:
        """A load failed, or was interrupted."""
        ...


OTHER_REASON = "other"
"""The reason of a load that failed without an error of the project: it was interrupted."""
_observers: ContextVar[tuple[LoadObserver, ...]] = ContextVar("influx_lake_load_observers", default=())


@contextmanager
def observed_by(observer: LoadObserver) -> Iterator[None]:
    """A context whose loads notify an observer too."""
    token = _observers.set((*_observers.get(), observer))
    try:
        yield
    finally:
        _observers.reset(token)


@contextmanager
def observed(work: Work) -> Iterator[list[WindowResult]]:
    """A context that notifies observers of a load; its results are put into the list."""
    observers, results = _observers.get(), list[WindowResult]()
    for observer in observers:
        observer.begun(work)
    try:
        yield results
    except BaseException as error:
        reason = type(error).__name__ if isinstance(error, LakeError) else OTHER_REASON
        recorder.count("load_failures", measurement=work.subject, reason=reason)
        for observer in observers:
            observer.failed(work, error)
        raise
    _record(work, results)
    for observer in observers:
        observer.loaded(work, results)


def _record(work: Work, results: Sequence[WindowResult]) -> None:
    present = recorder.recorder()
    if present is None:
        return
    for each in results:
        table = each.table_name
        written = max(0.0, each.write_seconds - each.commit_seconds)
        for phase, seconds in (("read", each.read_seconds), ("write", written), ("commit", each.commit_seconds)):
            present.count("load_seconds", seconds, {"table": table, "phase": phase})
        present.count("quarantined_rows", each.quarantined_rows, {"table": table})
    present.count("loads", 1, {"measurement": work.subject})
