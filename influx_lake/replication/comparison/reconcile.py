"""Decides whether a differing window is loaded again, reported or left, by what earlier reconciliations saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from influx_lake.config import Measurement
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.replication.comparison.compare_windows import Comparison, Verdict

MOST_LOADS = 5
"""How often a window that keeps differing is loaded again, with a pause that doubles each time."""
REMEMBERED = timedelta(hours=24)
"""How long it is remembered that a window differed or was loaded again."""


class Action(StrEnum):
    """What to do about a window."""

    NOTHING = "nothing"
    LOAD = "load"
    """Load it again, and report that it differs."""
    REPORT = "report"
    """Report that it differs: loading it again would not help, or did not."""
    RECOVERED = "recovered"
    """Report that it no longer differs."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier reconciliations saw of a window.

    Attributes:
        seen_at: When it was last seen to differ, in seconds since 1970.
        source_rows: How many rows the source had then.
        looks: How often in a row it was seen to differ.
        loads: How often it was loaded again.
        loaded_at: When the last of these was started.
        reported: Whether it was reported as something that loading does not cure.
    """

    seen_at: float
    source_rows: int
    looks: int = 1
    loads: int = 0
    loaded_at: float = 0.0
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do about a window, and what to remember of it."""

    comparison: Comparison
    action: Action
    memory: Memory | None


def windows_to_compare(measurement: Measurement, coverage: Coverage, now: datetime) -> list[Window]:
    """The loaded windows that became due within the last `reconcile.within`, oldest first.

    Windows that are not loaded are due anyway.
    """
    if measurement.reconcile is None:
        return []
    until = now - measurement.lag
    closed = measurement.scheme.windows(now - measurement.reconcile.within, until)
    return [window for window in closed if window.end <= until and coverage.holds(window)]


def judge(comparison: Comparison, memory: Memory | None, now: datetime, every: timedelta) -> Judgement:
    """Decide what to do about a window.

    A window in which the source has more rows, or other values, is loaded again. If it still differs it is loaded again
    after a pause that doubles, at most `MOST_LOADS` times: a server whose answers vary would otherwise have it loaded
    endlessly. New rows in the source reset the count. Rows that seem lost are counted a second time by the next
    reconciliation, and then reported: whether they may go is decided by `on_shrink`.

    Args:
        comparison: The window on both sides.
        memory: What is remembered of the window.
        now: The present.
        every: The interval between two reconciliations.
    """
    moment = now.timestamp()
    if memory is not None and moment >= (memory.loaded_at or memory.seen_at) + REMEMBERED.total_seconds():
        memory = None
    if comparison.verdict is Verdict.EQUAL:
        return _equal(comparison, memory)
    seen = _seen(comparison, memory, moment)
    if comparison.verdict is Verdict.SHRANK and seen.looks < 2:
        return Judgement(comparison, Action.NOTHING, seen)
    if comparison.is_curable and seen.loads < MOST_LOADS:
        if moment < seen.loaded_at + (every * 2**seen.loads).total_seconds() and seen.loads:
            return Judgement(comparison, Action.NOTHING, seen)
        loading = replace(seen, loads=seen.loads + 1, loaded_at=moment)
        return Judgement(comparison, Action.LOAD, loading)
    action = Action.NOTHING if seen.reported else Action.REPORT
    return Judgement(comparison, action, replace(seen, reported=True))


def _equal(comparison: Comparison, memory: Memory | None) -> Judgement:
    if memory is None:
        return Judgement(comparison, Action.NOTHING, None)
    # A reloaded window is remembered for a while, since it may differ again.
    kept = replace(memory, looks=0, reported=False) if memory.loads else None
    return Judgement(comparison, Action.RECOVERED if memory.reported else Action.NOTHING, kept)


def _seen(comparison: Comparison, memory: Memory | None, moment: float) -> Memory:
    rows = comparison.source_rows
    if memory is None:
        return Memory(moment, rows)
    looks = memory.looks + 1
    if rows > memory.source_rows:
        return Memory(moment, rows, looks)
    reported = memory.reported and rows == memory.source_rows
    return replace(memory, seen_at=moment, source_rows=rows, looks=looks, reported=reported)
