"""Events of all runs, in the order in which they were stored, from where somebody stopped reading."""

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
"""Ids are given before events are stored, so that one with a lower id may appear after one with a higher id was read.
After this time none does."""
PAGE = 500
PAGES = 5
"""How much is read in one tick at most."""

TYPES = {
    "runs": DagsterEventType.RUN_FAILURE,
    "checks": DagsterEventType.ASSET_CHECK_EVALUATION,
    "freshness": DagsterEventType.FRESHNESS_STATE_CHANGE,
}


@dataclass
class Position:
    """How far the events of a type were read.

    Attributes:
        after: Nothing up to this id is read again.
        told: Ids beyond it that are done with.
    """

    after: int
    told: set[int] = field(default_factory=set)

    def settle(self, seen: Iterable[tuple[int, float]], now: float) -> None:
        """Move on past the events, given by id and time, that are done with and have no latecomers before them."""
        for storage_id, stored_at in seen:
            if stored_at > now - SETTLED_SECONDS:
                break
            self.after = storage_id
        self.told = {storage_id for storage_id in self.told if storage_id > self.after}


@dataclass
class Positions:
    """How far each type of event was read: a sensor's cursor."""

    of: dict[str, Position]

    @classmethod
    def now(cls, instance: dg.DagsterInstance) -> Positions:
        """Where the events end: what happened before is nobody's alarm."""
        return cls({name: Position(_newest(instance, kind)) for name, kind in TYPES.items()})

    @classmethod
    def parse(cls, text: str) -> Positions:
        """Read what `str()` wrote."""
        return cls({name: Position(entry[0], set(entry[1])) for name, entry in json.loads(text).items()})

    def __str__(self) -> str:
        return json.dumps({name: [each.after, sorted(each.told)] for name, each in self.of.items()})


def events_after(instance: dg.DagsterInstance, name: str, position: Position) -> Iterator[EventLogRecord]:
    """The events of a type that were stored since, oldest first, no more than a tick may read."""
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
