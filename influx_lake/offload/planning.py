"""Plans the off-load of a measurement: which windows would be deleted at the source, and why others would not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Lake, Measurement
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.proofs.offloaded import offloaded_from
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.offload.conditions import WindowObjections, measurement_objection
from influx_lake.replication.changes.change import Change
from influx_lake.replication.proof.proof_status import Standing, standing
from influx_lake.sources.deleting import Deletion

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Refused:
    """Consecutive windows that are not off-loaded for the same reason.

    Attributes:
        window: From the start of the first to the end of the last; None: all of the measurement.
        windows: The number of windows.
        why: The reason, in words.
    """

    window: Window | None
    windows: int
    why: str


@dataclass(frozen=True, slots=True)
class OffloadPlan:
    """The plan of an off-load of one measurement.

    Attributes:
        measurement: The measurement.
        unfinished: Windows whose deletion began and is not known to have ended: these come first.
        windows: The windows to delete, oldest first, each with its row count in the lake.
        waiting: How many more windows are old enough, beyond the limits of one run; their conditions are not checked
            yet.
        refused: Windows that are old enough and must not be deleted.
        done: The time that is off-loaded already.
    """

    measurement: Measurement
    unfinished: tuple[Window, ...] = ()
    windows: tuple[tuple[Window, int], ...] = ()
    waiting: int = 0
    refused: tuple[Refused, ...] = ()
    done: tuple[Window, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows to delete."""
        return sum(rows for _, rows in self.windows)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.windows and not self.unfinished


def plan_offload(
    lake: Lake,
    catalog: Catalog,
    deletion: Deletion,
    measurement: Measurement,
    now: datetime,
    pending: Sequence[Change] = (),
) -> OffloadPlan:
    """Plan the off-load of a measurement.

    Nothing is compared with the source, and nothing is changed.

    Args:
        lake: The lake.
        catalog: Its catalog.
        deletion: The deleting API of the measurement's source.
        measurement: The measurement.
        now: The present.
        pending: Changes that sources reported and that are not loaded yet.

    Raises:
        LakeError: The table or the source cannot be read.
    """
    if (why := measurement_objection(lake, measurement)) is not None:
        return OffloadPlan(measurement, refused=(Refused(None, 0, why),))
    options = measurement.offload
    assert options is not None
    table = find_table(catalog, measurement.identifier, measurement.share)
    if table is None:
        return OffloadPlan(measurement, refused=(Refused(None, 0, "nothing of it is loaded yet"),))
    entries = offloaded_from(table)
    begun = tuple(each.window for each in entries if not each.is_done)
    done = tuple(each.window for each in entries if each.is_done)
    windows = [each for each in _old(measurement, now) if not any(entry.meets(each) for entry in entries)]
    status = standing(measurement, table, windows, pending)
    objections = WindowObjections(catalog, measurement, table, _why_unproved(status), now)
    if (why := objections.table_objection()) is not None:
        return OffloadPlan(measurement, refused=(Refused(None, 0, why),), done=done)
    counts = count_by_window(table, windows, measurement.time_column)
    chosen, refused, waiting, rows = list[tuple[Window, int]](), list[tuple[Window, str]](), 0, 0
    for window, count in zip(windows, counts, strict=True):
        if not count:
            # The lake has no rows of it, so there is nothing to delete.
            continue
        if len(chosen) >= options.most_windows or rows >= options.most_rows:
            # Left to the next runs: each window costs a query to the server.
            waiting += 1
            continue
        why = objections.window_objection(window) or deletion.objection(measurement.name, window)
        if why is not None:
            refused.append((window, why))
            continue
        if count > options.most_rows:
            refused.append((window, f"its {counted(count, 'row')} are more than one run may delete (`most_rows`)"))
            continue
        if rows + count > options.most_rows:
            waiting += 1
            rows = options.most_rows
            continue
        chosen.append((window, count))
        rows += count
    return OffloadPlan(measurement, begun, tuple(chosen), waiting, tuple(_merge_adjacent(refused)), done)


def _old(measurement: Measurement, now: datetime) -> Iterator[Window]:
    assert measurement.offload is not None
    until = now - max(measurement.offload.after, measurement.lag)
    start = measurement.kept_since(now)
    return (window for window in measurement.scheme.windows(start, until) if window.end <= until)


def _why_unproved(status: Standing) -> Callable[[Window], str | None]:
    def why(window: Window) -> str | None:
        parts = (each for each in status.unproved if each.window.contains(window))
        return next((each.why for each in parts), None)

    return why


def _merge_adjacent(windows: Sequence[tuple[Window, str]]) -> Iterator[Refused]:
    last: Refused | None = None
    for window, why in windows:
        if last is not None and last.window is not None and last.why == why and last.window.end == window.start:
            last = Refused(Window(last.window.start, window.end), last.windows + 1, why)
            continue
        if last is not None:
            yield last
        last = Refused(window, 1, why)
    if last is not None:
        yield last
