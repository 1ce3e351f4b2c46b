"""The check `freshness`: how late the newest due window is, and how old the newest event."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.checks.lateness import next_due
from influx_lake.checks.outcome import Figure, Outcome
from influx_lake.checks.subject import Subject
from influx_lake.config import FreshnessOptions, Severity
from influx_lake.config.values.units import format_duration, format_roughly
from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window, utc_text
from influx_lake.iceberg.columns.known_columns import time_field
from influx_lake.iceberg.scan.planning import in_windows, time_bounds
from influx_lake.iceberg.scan.reader import read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.scan.share_files import only_of_share

if TYPE_CHECKING:
    from pyiceberg.table import Table

_LONGEST = timedelta(days=366)


def freshness(subject: Subject) -> Outcome:
    """Measure how late the newest due window is, and the time from the newest event to the end of the coverage.

    Reads only metadata of the table. A measurement whose windows are loaded empty is not fresh.
    """
    options = subject.measurement.freshness or FreshnessOptions(fail=_LONGEST)
    late = lateness(subject)
    figures: dict[str, Figure] = {"late_seconds": round(late.total_seconds())}
    if subject.table is None or not subject.coverage.intervals:
        # Every lake begins like this: a warning, not an error.
        return Outcome(late <= (options.warn or options.fail), _nothing_yet(late), figures, Severity.WARN)
    recent = _recent(subject, options.fail)
    newest = newest_event(subject.table, recent, subject.measurement.time_column)
    silent = max(timedelta(0), recent.end - (newest or recent.start))
    figures |= {"loaded_until": recent.end, "silent_seconds": round(silent.total_seconds())}
    if newest:
        figures["newest_event"] = newest
    worst = max(late, silent)
    if worst > options.fail or (options.warn is not None and worst > options.warn):
        severity = Severity.ERROR if worst > options.fail else Severity.WARN
        limit = options.fail if severity is Severity.ERROR else options.warn
        return Outcome(False, _stale(subject, late, silent, newest, limit or options.fail), figures, severity)
    return Outcome(True, f"fresh: loaded until {utc_text(subject.coverage.intervals[-1].end)}", figures)


def lateness(subject: Subject) -> timedelta:
    """How long the first due window after the newest loaded one has been due."""
    measurement, loaded = subject.measurement, subject.coverage.intervals
    due = next_due(measurement, loaded[-1].end if loaded else measurement.scheme.start)
    return max(timedelta(0), subject.now - due)


def newest_event(table: Table, window: Window, time_column: str) -> datetime | None:
    """The time of a window's newest row, from the bounds in manifests; from the rows where files also hold other
    measurements.
    """
    time_id, is_of_share = time_field(table, time_column).field_id, only_of_share(table)
    tasks = list(table.scan(row_filter=in_windows([window], table, time_column)).plan_files())
    lasts = [bounds[1] for task in tasks if is_of_share(task.file) and (bounds := time_bounds(task.file, time_id))]
    if mixed := [task for task in tasks if not is_of_share(task.file)]:
        only_time, columns = table.schema().select(time_column), RowFilter.of([window], table, time_column)
        rows = read_tasks(table, mixed, columns, only_time)
        lasts += [pc.max(batch.column(0).cast(pa.int64())).as_py() for batch in rows]
    return min(EPOCH + max(lasts) * MICROSECOND, window.end) if lasts else None


def _recent(subject: Subject, limit: timedelta) -> Window:
    """The part of the coverage to read for finding silent series."""
    newest = subject.coverage.intervals[-1]
    end = min(newest.end, subject.now)
    length = newest.end - subject.measurement.scheme.window_at(newest.end - MICROSECOND).start
    return Window(end - length - min(limit, _LONGEST), end)


def _nothing_yet(late: timedelta) -> str:
    if not late:
        return "nothing is loaded yet, and nothing is due"
    return (
        f"nothing is loaded yet; its first window was due {format_roughly(late)} ago. Materialise it, or see whether "
        "its schedule runs and its runs succeed"
    )


def _stale(subject: Subject, late: timedelta, silent: timedelta, newest: datetime | None, limit: timedelta) -> str:
    allowed = f"(allowed: {format_duration(limit)})"
    if late >= silent:
        return (
            f"loaded until {utc_text(subject.coverage.intervals[-1].end)}; the next window is late by "
            f"{format_roughly(late)} {allowed}. See whether its schedule runs and its runs succeed"
        )
    length, advice = format_roughly(silent), "See whether its writers still write"
    if newest is None:
        return f"the last {length} of what is loaded have no events {allowed}. {advice}"
    last = utc_text(newest.replace(microsecond=0))
    return f"the newest event is of {last}, {length} before the end of what is loaded {allowed}. {advice}"
