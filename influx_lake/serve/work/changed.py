"""Loads the windows again that databases told of, where no Dagster does."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window, merged, utc_text
from influx_lake.errors import LakeError
from influx_lake.replication.changes.change import Change
from influx_lake.replication.changes.due import changed_windows
from influx_lake.replication.changes.journal import ChangeJournal, Loaded
from influx_lake.replication.changes.noting import nanoseconds
from influx_lake.replication.changes.table import note_table, tables_of_changes
from influx_lake.replication.requests.request import Kind, Request, State
from influx_lake.serve.problems import Problem

if TYPE_CHECKING:
    from influx_lake.replication.planning.due import DueWindow
    from influx_lake.serve.service import Service

log = logging.getLogger("influx_lake.serve")

SECONDS = 5.0
"""How often it is looked for changes."""
MOST_REQUESTS = 200
"""How many requests wait, run or pause at most."""
PACE = timedelta(seconds=30)
"""How long after a load of a window the next one begins: late points may trickle in for hours."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=2)
"""A load that failed waits before it is tried again: a minute, then twice as long each time, up to this."""
_TRIES = 1_000


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Windows of a measurement that are loaded in one request, since nothing lies between them."""

    measurement: Measurement
    windows: tuple[Window, ...]
    noted: int

    @property
    def span(self) -> Window:
        return Window(self.windows[0].start, self.windows[-1].end)

    @property
    def key(self) -> str:
        said = f"{self.measurement.full_name} {self.span} {self.noted}"
        return f"changed {hashlib.sha256(said.encode()).hexdigest()}"

    @property
    def body(self) -> dict[str, Any]:
        return {
            "measurements": [self.measurement.full_name],
            "start": utc_text(self.span.start),
            "end": utc_text(self.span.end),
            "only": None,
            "replace": False,
        }


class ChangedWindows:
    """Makes requests of the service for windows that changed, and forgets changes whose windows were loaded.

    A request is told by its key which change it is for, so that a service that was killed finds it again.

    Args:
        service: The service.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loaded: dict[tuple[str, Window], datetime] = {}

    def look(self) -> None:
        """Read the tables of changes, and have loaded what has to be.

        Raises:
            LakeError: The journal cannot be used.
        """
        now, lake = datetime.now(UTC), self._service.lake
        journal = ChangeJournal.of(lake.root)
        self._read_tables(journal, now)
        pending = journal.pending()
        if not pending:
            return
        found = changed_windows(lake, pending, now)
        if found.forgotten:
            journal.forget(found.forgotten)
        for wanted in islice(_requests(found.due, pending), MOST_REQUESTS):
            loads = self._ask(wanted, now)
            if loads:
                journal.acknowledge(loads)

    def _read_tables(self, journal: ChangeJournal, now: datetime) -> None:
        lake = self._service.lake
        if not (tables := tables_of_changes(lake)):
            return
        with self._service.session() as session:
            for name in tables:
                try:
                    note_table(lake, journal, name, session.source(name), now)
                except LakeError as error:
                    log.warning("the table of changes of %s cannot be read: %s", name, error)

    def _ask(self, wanted: _Wanted, now: datetime) -> list[Loaded]:
        """Have windows loaded, unless that is under way, failed or was done just now.

        Returns:
            What was loaded since the change.
        """
        loaded = self._loaded.get((wanted.measurement.full_name, wanted.span))
        if loaded is not None and now - loaded < PACE:
            return []
        for attempt in range(_TRIES):
            try:
                request = self._service.accept(Kind.LOAD, wanted.body, f"{wanted.key} {attempt}", own=True)
            except Problem as problem:
                log.warning("windows that changed wait: %s", problem)
                return []
            if request.state is State.DONE and request.began is not None:
                self._loaded[wanted.measurement.full_name, wanted.span] = request.began
                began = nanoseconds(request.began)
                return [Loaded(wanted.measurement.full_name, window, began) for window in wanted.windows]
            if not request.state.is_final or not _may_be_tried_again(request, attempt, now):
                return []
        return []


def _requests(due: Sequence[DueWindow], pending: Sequence[Change]) -> Iterator[_Wanted]:
    """The windows in requests of their own, each with the last time at which a change of it was noted."""
    of_table: dict[str, tuple[Measurement, list[Window]]] = {}
    for each in due:
        of_table.setdefault(each.measurement.full_name, (each.measurement, []))[1].append(each.window)
    for table, (measurement, windows) in of_table.items():
        changes = [change for change in pending if change.table == table]
        for stretch in _stretches(sorted(windows), measurement.windows_per_run):
            span = Window(stretch[0].start, stretch[-1].end)
            noted = [
                change.noted for change in changes if change.window.start < span.end and span.start < change.window.end
            ]
            yield _Wanted(measurement, stretch, max(noted, default=0))


def _stretches(windows: Sequence[Window], most: int) -> Iterator[tuple[Window, ...]]:
    for whole in merged(windows):
        inside = [window for window in windows if whole.start <= window.start and window.end <= whole.end]
        for begin in range(0, len(inside), most):
            yield tuple(inside[begin : begin + most])


def _may_be_tried_again(request: Request, attempt: int, now: datetime) -> bool:
    pause = min(FIRST_PAUSE * (1 << min(attempt, 16)), LONGEST_PAUSE)
    return request.ended is not None and now >= request.ended + pause
