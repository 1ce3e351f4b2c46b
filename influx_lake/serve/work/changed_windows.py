"""Loads windows with reported changes again, where Dagster does not run."""

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
from influx_lake.replication.changes.change_intake import nanoseconds
from influx_lake.replication.changes.due import changed_windows
from influx_lake.replication.changes.journal import ChangeJournal, Loaded
from influx_lake.replication.changes.table import note_table, tables_of_changes
from influx_lake.replication.requests.request import Kind, Request, State
from influx_lake.serve.problems import Problem

if TYPE_CHECKING:
    from influx_lake.replication.planning.due import DueWindow
    from influx_lake.serve.service import Service

log = logging.getLogger("influx_lake.serve")

SECONDS = 5.0
"""The interval between two looks at the journal of changes, in seconds."""
MOST_REQUESTS = 200
"""The most of these requests that wait, run or pause at once."""
PACE = timedelta(seconds=30)
"""The pause between two loads of the same window, since late points may trickle in for hours."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=2)
"""The longest pause before a failed load is retried; the first is a minute, and each doubles."""


@dataclass(frozen=True, slots=True)
class _ChangedRange:
    """Adjacent windows of a measurement that one request loads."""

    measurement: Measurement
    windows: tuple[Window, ...]
    noted: int

    @property
    def table(self) -> str:
        return self.measurement.full_name

    @property
    def span(self) -> Window:
        return Window(self.windows[0].start, self.windows[-1].end)

    def key(self, failures: int) -> str:
        """An idempotency key made from the changes, so that a restarted service finds its request again."""
        identity = f"{self.table} {self.span} {self.noted} {failures}"
        return f"changed {hashlib.sha256(identity.encode()).hexdigest()}"

    @property
    def body(self) -> dict[str, Any]:
        return {
            "measurements": [self.table],
            "start": utc_text(self.span.start),
            "end": utc_text(self.span.end),
            "only": None,
            "replace": False,
        }


@dataclass(frozen=True, slots=True)
class _ChangeRequest:
    """A request that was made for changed windows.

    Attributes:
        changed: Its windows.
        request: Its id.
        failures: How many requests for them failed in a row before.
    """

    changed: _ChangedRange
    request: str
    failures: int

    def shares_time_with(self, changed: _ChangedRange) -> bool:
        own, other = self.changed.span, changed.span
        return self.changed.table == changed.table and own.overlaps(other)


class ChangedWindows:
    """Makes requests for changed windows, and acknowledges the changes of windows that were loaded.

    Args:
        service: The service.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._requests: list[_ChangeRequest] = []

    def look(self) -> None:
        """Read the tables of changes and request the loads that are due.

        Raises:
            LakeError: The journal cannot be read or written.
        """
        now, lake = datetime.now(UTC), self._service.lake
        journal = ChangeJournal.of(lake.root)
        self._read_tables(journal, now)
        if not journal.pending():
            return
        loaded, busy = self._outcome(now)
        journal.acknowledge(loaded)
        pending = journal.pending()
        found = changed_windows(lake, pending, now)
        if found.forgotten:
            journal.forget(found.forgotten)
        for changed in islice(_requests(found.due, pending), MOST_REQUESTS):
            known = [each for each in self._requests if each.shares_time_with(changed)]
            if not any(each in busy for each in known) and not self._ask(changed, known):
                break

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

    def _outcome(self, now: datetime) -> tuple[list[Loaded], list[_ChangeRequest]]:
        """The windows that requests loaded, and those of requests under way or within their pause."""
        loaded: list[Loaded] = []
        busy: list[_ChangeRequest] = []
        kept: list[_ChangeRequest] = []
        for each in self._requests:
            request = self._service.journal.find(each.request)
            if request is None:
                continue
            if request.state is State.DONE and request.began is not None:
                began = nanoseconds(request.began)
                loaded += [Loaded(each.changed.table, window, began) for window in each.changed.windows]
            if now < _left_alone_until(request, each.failures):
                busy.append(each)
            if request.state is not State.DONE or each in busy:
                kept.append(each)
        self._requests = kept
        return loaded, busy

    def _ask(self, changed: _ChangedRange, known: Sequence[_ChangeRequest]) -> bool:
        """Make a request, replacing failed ones; False where too many are open."""
        failures = max((each.failures + 1 for each in known), default=0)
        try:
            request = self._service.accept(Kind.LOAD, changed.body, changed.key(failures), own=True)
        except Problem as problem:
            log.warning("windows that changed wait: %s", problem)
            return False
        self._requests = [
            *(each for each in self._requests if each not in known),
            _ChangeRequest(changed, request.id, failures),
        ]
        return True


def _left_alone_until(request: Request, failures: int) -> datetime:
    if not request.state.is_final or request.ended is None:
        return datetime.max.replace(tzinfo=UTC)
    if request.state is State.DONE:
        return (request.began or request.ended) + PACE
    return request.ended + min(FIRST_PAUSE * (1 << min(failures, 16)), LONGEST_PAUSE)


def _requests(due: Sequence[DueWindow], pending: Sequence[Change]) -> Iterator[_ChangedRange]:
    """Group windows into requests, each with the latest time at which one of its changes was noted."""
    of_table: dict[str, tuple[Measurement, list[Window]]] = {}
    for each in due:
        of_table.setdefault(each.measurement.full_name, (each.measurement, []))[1].append(each.window)
    for table, (measurement, windows) in of_table.items():
        changes = [change for change in pending if change.table == table]
        for stretch in _stretches(sorted(windows), measurement.windows_per_run):
            span = Window(stretch[0].start, stretch[-1].end)
            inside = (each for each in changes if each.window.overlaps(span))
            yield _ChangedRange(measurement, stretch, max((each.noted for each in inside), default=0))


def _stretches(windows: Sequence[Window], most: int) -> Iterator[tuple[Window, ...]]:
    for whole in merged(windows):
        inside = [window for window in windows if whole.contains(window)]
        for begin in range(0, len(inside), most):
            yield tuple(inside[begin : begin + most])
