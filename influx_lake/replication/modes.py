"""Which way a measurement's rows get into its table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, WriteMode
from influx_lake.config.values.windows import Window, utc_text
from influx_lake.errors import WindowNotOver
from influx_lake.iceberg.commit.commit_plan import Planning, as_planned
from influx_lake.iceberg.load.append import append_window
from influx_lake.iceberg.load.load_result import WindowCommit
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.load.tail import tail_window
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import ForeignChange, table_state
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.window_rows import Rows
from influx_lake.replication.guards import check_shrink, keeps_missing

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Load:
    """One window of a measurement, to be loaded as the measurement's `write.mode` says.

    Attributes:
        catalog: The catalog of its table.
        measurement: The measurement.
        target: Its table.
        provenance: Where the rows come from.
        read: Reads the rows of the window, or of a part of it.
        on_rows: Told how many rows were written so far.
        now: The present.
    """

    catalog: Catalog
    measurement: Measurement
    target: TableTarget
    provenance: Provenance
    read: Callable[[Window], AbstractContextManager[Rows]]
    on_rows: Callable[[int], None]
    now: datetime

    def run(self, window: Window) -> WindowCommit:
        """Load the window."""
        match self.measurement.write.mode:
            case WriteMode.REPLACE:
                return self._replace_what_is_over(window)
            case WriteMode.APPEND:
                return self._append(window)
            case WriteMode.UPSERT:
                return self._upsert(window, self._complete_until)

    def tail(self, window: Window, lag: timedelta) -> list[WindowCommit]:
        """Add what is new of a window that is still open, until `lag` before now; the window stays due.

        With `write.mode: append` nothing is loaded again, so there it is loaded for good.
        """
        over = window.until(self.now - lag)
        if over is None:
            return []
        if self.measurement.write.mode is WriteMode.APPEND:
            done = self._append(over)
            return [done] if done.files_added else []
        return tail_window(self.catalog, self.target, self._part, over, self.provenance)

    def _part(self, part: Window, planning: Planning) -> WindowCommit:
        """Load a part of a window that is tailed."""
        if self.measurement.write.mode is WriteMode.UPSERT:
            return self._upsert(part, part.start, planning)
        return self._replace(part, part.start, planning)

    def _replace_what_is_over(self, window: Window) -> WindowCommit:
        """Replace a window; of one that is open and tailed, what is complete: the rest is for the tails.

        Rows that a tail adds meanwhile lie after that, and stay.
        """
        over = window.until(self._complete_until) if self.measurement.tail else None
        return self._replace(over or window, self._complete_until)

    def _replace(self, window: Window, complete_until: datetime, planning: Planning = as_planned) -> WindowCommit:
        measurement = self.measurement
        with self.read(window) as rows:
            return replace_window(
                self.catalog,
                self.target,
                rows,
                window,
                self.provenance,
                on_rows=self.on_rows,
                approve=lambda coming, previous: check_shrink(
                    measurement, window, coming, previous, lambda: self._others_in(window)
                ),
                keeps_missing=lambda coming, previous: keeps_missing(measurement, coming, previous),
                complete_until=complete_until,
                planning=planning,
                commit_budget=measurement.write.commit_timeout,
            )

    def _others_in(self, window: Window) -> tuple[ForeignChange, ...] | None:
        """What others did to a window to which they added rows."""
        return table_state(find_table(self.catalog, self.target.identifier)).others_in(window)

    def _append(self, window: Window) -> WindowCommit:
        return append_window(
            self.catalog,
            self.target,
            self.read,
            self._what_is_over(window),
            self.provenance,
            on_rows=self.on_rows,
            commit_budget=self.measurement.write.commit_timeout,
        )

    def _upsert(self, window: Window, complete_until: datetime, planning: Planning = as_planned) -> WindowCommit:
        with self.read(window) as rows:
            return upsert_window(
                self.catalog,
                self.target,
                rows,
                window,
                self.provenance,
                merge_fields=self.measurement.write.merge_fields,
                on_rows=self.on_rows,
                complete_until=complete_until,
                planning=planning,
                commit_budget=self.measurement.write.commit_timeout,
            )

    def _what_is_over(self, window: Window) -> Window:
        """The part of a window whose rows can be counted on: what is appended is not looked at again.

        Raises:
            WindowNotOver: There is no such part.
        """
        until = self._complete_until
        over = window.until(until)
        if over is None:
            raise WindowNotOver(
                f"write.mode: append loads only what is over: all before {utc_text(until)} (now, less the lag)",
                remedy="Load the window later, or shorten `lag`",
            )
        return over

    @property
    def _complete_until(self) -> datetime:
        return self.now - self.measurement.lag
