"""Reads Dagster's event log for alerts: failed runs, check evaluations, changes of freshness; keeps a cursor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterEventType, EventRecordsFilter

from influx_lake.orchestration.dagster_internals import event_records

if TYPE_CHECKING:
    from dagster import EventLogRecord

SETTLED_SECONDS = 60.0
"""Storage ids are assigned before events are committed, so an event with a lower id may become visible after one with a
higher id. After this many seconds none does.
"""
PAGE = 500
PAGES = 5
"""One tick reads at most `PAGES` pages of `PAGE` events for each type."""

TYPES = {
    "runs": DagsterEventType.RUN_FAILURE,
    "checks": DagsterEventType.ASSET_CHECK_EVALUATION,
    "freshness": DagsterEventType.FRESHNESS_STATE_CHANGE,
}


@dataclass
class Position:
    """How far the events of one type were read.

    Attributes:
        after: Storage id: events up to it are not read again.
        told: Storage ids beyond `after` whose notices were sent.
    """

    after: int
    told: set[int] = field(default_factory=set)

    def settle(self, seen: Iterable[tuple[int, float]], now: float) -> None:
        """Advance `after` over events, given as storage id and time, that are older than `SETTLED_SECONDS`."""
        for storage_id, stored_at in seen:
            if stored_at > now - SETTLED_SECONDS:
                break
            self.after = storage_id
        self.told = {storage_id for storage_id in self.told if storage_id > self.after}


@dataclass
class Positions:
    """The cursor of an alert sensor: how far each type of event was read."""

    of: dict[str, Position]

    @classmethod
    def now(cls, instance: dg.DagsterInstance) -> Positions:
        """The newest event of each type: a new sensor sends no alerts for what happened before."""
        return cls({name: Position(_newest(instance, kind)) for name, kind in TYPES.items()})

    @classmethod
    def parse(cls, text: str) -> Positions:
        """Parse the cursor that `str()` wrote."""
        return cls({name: Position(entry[0], set(entry[1])) for name, entry in json.loads(text).items()})

    def __str__(self) -> str:
        return json.dumps({name: [each.after, sorted(each.told)] for name, each in self.of.items()})


def events_after(instance: dg.DagsterInstance, name: str, position: Position) -> Iterator[EventLogRecord]:
    """Yield the events of a type stored after a position, oldest first, at most `PAGES` pages."""
    after = position.after
    for _ in range(PAGES):
        page = _read(instance, TYPES[name], after=after, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].storage_id


def _newest(instance: dg.DagsterInstance, kind: DagsterEventType) -> int:
    found = _read(instance, kind, limit=1, ascending=False)
    return found[0].storage_id if found else 0


def _read(
    instance: dg.DagsterInstance,
    kind: DagsterEventType,
    *,
    limit: int,
    after: int | None = None,
    ascending: bool = True,
) -> list[EventLogRecord]:
    wanted = EventRecordsFilter(kind, after_cursor=after)
    return list(event_records(instance, wanted, limit=limit, ascending=ascending))
