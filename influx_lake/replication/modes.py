"""Which way a measurement's rows get into its table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, WriteMode
from influx_lake.config.windows import Window, utc_text
from influx_lake.errors import WindowNotOver
from influx_lake.iceberg.append import append_window
from influx_lake.iceberg.replace import replace_window
from influx_lake.iceberg.rows import Rows
from influx_lake.iceberg.target import Provenance, TableTarget
from influx_lake.iceberg.upsert import upsert_window
from influx_lake.iceberg.window_commit import WindowCommit
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
                return self._replace(window)
            case WriteMode.APPEND:
                return self._append(window)
            case WriteMode.UPSERT:
                return self._upsert(window)

    def _replace(self, window: Window) -> WindowCommit:
        measurement = self.measurement
        with self.read(window) as rows:
            return replace_window(
                self.catalog,
                self.target,
                rows,
                window,
                self.provenance,
                on_rows=self.on_rows,
                approve=lambda coming, previous: check_shrink(measurement, coming, previous),
                keeps_missing=lambda coming, previous: keeps_missing(measurement, coming, previous),
                complete_until=self._complete_until,
                commit_budget=measurement.write.commit_timeout,
            )

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

    def _upsert(self, window: Window) -> WindowCommit:
        with self.read(window) as rows:
            return upsert_window(
                self.catalog,
                self.target,
                rows,
                window,
                self.provenance,
                merge_fields=self.measurement.write.merge_fields,
                on_rows=self.on_rows,
                complete_until=self._complete_until,
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
