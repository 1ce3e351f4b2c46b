"""Filters the reports of a database to those that need a load, and keeps these in the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from influx_lake.config import Lake
from influx_lake.config.connections import ServerConfig
from influx_lake.config.connections.changes import CHANGES_TABLE
from influx_lake.config.values.windows import EPOCH, MICROSECOND
from influx_lake.replication.changes.change import Change, Told, merged_changes
from influx_lake.replication.changes.journal import ChangeJournal
from influx_lake.replication.planning.due import newest_closed

ARRIVING = timedelta(seconds=5)
"""How long after its report a database certainly has the points: InfluxDB 1 forwards them to subscriptions while it
writes them.
"""
HEARD_EVERY = 10_000_000_000
"""The interval for recording that a source has reported, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What was done with the reports of a source.

    Attributes:
        changes: The changes to load again.
        open: The number of reports of windows that are not due yet: these are loaded when they become due.
        too_old: The number of reports of time that the lake does not keep (retention) or does not load (before
            `partition.start`).
        unknown: The measurements that the lake does not load from this source.
    """

    changes: list[Change] = field(default_factory=list)
    open: int = 0
    too_old: int = 0
    unknown: frozenset[str] = frozenset()


def note_changes(lake: Lake, journal: ChangeJournal, source: str, told: Iterable[Told], now: datetime) -> Noted:
    """Keep the reports of a source durably, as far as they need a load.

    Args:
        lake: The lake.
        journal: The journal to keep them in.
        source: The name of the source that reported.
        told: The reports.
        now: The present.

    Raises:
        StorageError: It cannot be kept.
    """
    noted = what_to_note(lake, source, told, now, now + ARRIVING)
    # Most reports are about open windows, and need no write.
    if noted.changes or nanoseconds(now) - journal.heard().get(source, 0) > HEARD_EVERY:
        journal.note(noted.changes, source=source)
    return noted


def what_to_note(
    lake: Lake, source: str, told: Iterable[Told], now: datetime, there_at: datetime | None = None
) -> Noted:
    """Select the reports of a source to keep: those of due windows of measurements that the lake loads.

    A window that is not due yet will be loaded as a whole when it is, by when the reported points have arrived.

    Args:
        lake: The lake.
        source: The name of the source that reported.
        told: The reports.
        now: The present.
        there_at: From when on the source certainly has the points; default: now. A window that becomes due earlier may
            be loaded without them.
    """
    own, moment = _loaded(lake, source, now, there_at or now), nanoseconds(there_at or now)
    config = lake.source(source)
    own_table = config.changes.table if isinstance(config, ServerConfig) and config.changes else CHANGES_TABLE
    changes: dict[str, list[Change]] = defaultdict(list)
    unknown: set[str] = set()
    left, too_old = 0, 0
    for each in told:
        if each.measurement not in own and each.measurement != own_table:
            unknown.add(each.measurement)
        for table, first, last in own.get(each.measurement, ()):
            change = Change(table, each.first, each.last, moment, each.points, moment).within(first, last)
            if each.last < first:
                too_old += 1
            elif change is None:
                left += 1
            else:
                changes[table].append(change)
    kept = [each for some in changes.values() for each in merged_changes(some)]
    return Noted(kept, left, too_old, frozenset(unknown))


def nanoseconds(moment: datetime) -> int:
    """A time in nanoseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND * 1_000


def _loaded(lake: Lake, source: str, now: datetime, later: datetime) -> dict[str, list[tuple[str, int, int]]]:
    """The measurements that come from a source, by name, each with the time whose windows are due before `later`."""
    found: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for each in lake.present:
        if source in each.sources:
            newest = newest_closed(each, later)
            until = nanoseconds(newest.end) if newest else 0
            found[each.name].append((each.full_name, nanoseconds(each.kept_since(now)), until - 1))
    return found
