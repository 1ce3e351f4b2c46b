"""The state of all measurements of a source."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Scheme, Window
from influx_lake.errors import LakeError
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.row_counts import total_rows
from influx_lake.iceberg.table_state import table_state
from influx_lake.replication.comparison.compare_windows import Comparison, Verdict, compare_windows
from influx_lake.replication.foreign_changes import ForeignChanges, foreign_changes
from influx_lake.replication.planning.due import due_windows, newest_closed
from influx_lake.sources.listing import listing_of
from influx_lake.sources.protocol import Source

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

COMPARING_SECONDS = 20.0
"""How long an overview queries the source, in seconds; the next one queries the remaining measurements."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a measurement.

    Attributes:
        measurement: The measurement.
        is_gone: Whether its source did not have it at the last discovery.
        due: The number of windows that closed at least the lag ago.
        missing: How many of them are not in its table.
        rows: The number of rows in its table.
        bytes: The size of its data files; None where it is not known, or the table holds several measurements.
        newest: The end of the newest loaded time.
        committed_at: When its table last changed.
        comparison: The comparison of its newest loaded window, where it was compared.
        others: The foreign changes of its table since its last load.
        problem: The error where its state cannot be read.
    """

    measurement: Measurement
    is_gone: bool = False
    due: int = 0
    missing: int = 0
    rows: int = 0
    bytes: int | None = None
    newest: datetime | None = None
    committed_at: datetime | None = None
    comparison: Comparison | None = None
    others: ForeignChanges | None = None
    problem: LakeError | None = None

    @property
    def differs(self) -> bool:
        """Whether source and lake were compared and differ."""
        return self.comparison is not None and self.comparison.verdict is not Verdict.EQUAL

    @property
    def is_silent(self) -> bool:
        """Whether its newest window was compared and has no rows on either side: nobody writes to it now."""
        return self.comparison is not None and not (self.comparison.source_rows or self.comparison.lake_rows)

    def lag(self, now: datetime) -> timedelta | None:
        """How far the newest loaded time is behind; None where nothing is loaded."""
        return None if self.newest is None else now - self.newest


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the measurements of a source.

    Attributes:
        now: The time of the overview.
        standings: The state of each measurement.
        silence: The error for which the source was not queried, or not completely.
        left_out: What the source lists besides measurements, in words.
        source_bytes: The size of the source's data, where its server reports it.
    """

    now: datetime
    standings: tuple[Standing, ...]
    silence: LakeError | None = None
    left_out: str = ""
    source_bytes: int | None = None

    @property
    def present(self) -> list[Standing]:
        """The measurements that their source still has."""
        return [each for each in self.standings if not each.is_gone]

    @property
    def largest_lag(self) -> timedelta | None:
        """The lag of the measurement that is furthest behind."""
        return max((lag for each in self.present if (lag := each.lag(self.now)) is not None), default=None)


def overview_of(
    measurements: Iterable[Measurement],
    catalog: Catalog,
    now: datetime,
    *,
    gone: Callable[[Measurement], bool] = lambda measurement: False,
    source: Source | None = None,
    named: Collection[str] = (),
    comparing_seconds: float = COMPARING_SECONDS,
) -> Overview:
    """Collect the state of all measurements of a source: from the tables' metadata, and from the source for a limited
    time.

    Args:
        measurements: The measurements.
        catalog: The catalog of their tables.
        now: The present.
        gone: Whether a measurement is known not to be in its source any more.
        source: Their source, to compare the newest loaded window of each; None compares nothing.
        named: The measurements that lake.yaml lists by name, also one with the name of a dropped table.
        comparing_seconds: How long the source is queried.

    Raises:
        LakeError: The catalog is unavailable.
    """
    due = due_counter(now)
    standings = {each.path: _standing(catalog, each, now, gone, due) for each in measurements}
    silence, left_out = None, ""
    if source is not None:
        # In random order, so that none is left out for ever.
        asked = [each for each in standings.values() if not (each.is_gone or each.problem)]
        silence = _compare(random.sample(asked, len(asked)), source, catalog, now, comparing_seconds, standings)
        try:
            left_out = listing_of(source).left_out(named) if silence is None else ""
        except LakeError as error:
            silence = error
    return Overview(now, tuple(standings.values()), silence, left_out)


def due_counter(now: datetime) -> Callable[[Scheme, timedelta, datetime], int]:
    """Returns a function that counts closed windows since a time; cached, since most measurements share their
    scheme.
    """

    @cache
    def count(scheme: Scheme, lag: timedelta, since: datetime) -> int:
        return sum(window.end <= now - lag for window in scheme.windows(since, now - lag))

    return count


def _standing(
    catalog: Catalog,
    measurement: Measurement,
    now: datetime,
    gone: Callable[[Measurement], bool],
    due: Callable[[Scheme, timedelta, datetime], int],
) -> Standing:
    standing = Standing(
        measurement, gone(measurement), due(measurement.scheme, measurement.lag, measurement.kept_since(now))
    )
    try:
        table = find_table(catalog, measurement.identifier, measurement.share)
        state = table_state(table)
    except LakeError as error:
        # A transient error is the catalog's; another one is about this table and must not hide the others.
        if error.transient:
            raise
        return replace(standing, problem=error)
    if table is None:
        return replace(standing, missing=standing.due)
    coverage, snapshot = state.coverage, table.current_snapshot()
    return replace(
        standing,
        missing=len(due_windows(measurement, coverage, now)),
        rows=total_rows(table, snapshot),
        bytes=_bytes(table),
        newest=coverage.newest,
        others=foreign_changes(measurement, state, now),
        committed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) if snapshot else None,
    )


def _bytes(table: Table) -> int | None:
    snapshot = table.current_snapshot()
    if share_of(table) is not None or snapshot is None or snapshot.summary is None:
        return None
    said = snapshot.summary["total-files-size"]
    return int(said) if said is not None else None


def _compare(
    standings: Iterable[Standing],
    source: Source,
    catalog: Catalog,
    now: datetime,
    seconds: float,
    into: dict[tuple[str, ...], Standing],
) -> LakeError | None:
    """Compare while there is time; returns the error of a source that is unavailable, which ends it."""
    until = time.monotonic() + seconds
    for each in standings:
        if time.monotonic() > until:
            break
        window = _newest_loaded(each, now)
        if window is None:
            continue
        try:
            [comparison] = compare_windows(source, catalog, each.measurement, [window])
        except LakeError as error:
            if error.transient:
                return error
            into[each.measurement.path] = replace(each, problem=error)
        else:
            into[each.measurement.path] = replace(each, comparison=comparison)
    return None


def _newest_loaded(standing: Standing, now: datetime) -> Window | None:
    """The newest closed window, if it is loaded; a missing one is reported anyway."""
    window = newest_closed(standing.measurement, now)
    return window if window and standing.newest and window.end <= standing.newest else None
