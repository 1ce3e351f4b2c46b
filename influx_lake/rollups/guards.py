"""Guards that keep the aggregates of a roll-up whose points were deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, OnShrink
from influx_lake.config.measurements.rollups import Rollup
from influx_lake.config.values.units import counted
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowNotLoaded, WindowShrank
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def check_points_not_lost(
    catalog: Catalog, measurement: Measurement, rollup: Rollup, window: Window, points: Coverage
) -> None:
    """Refuse to compute a window of a roll-up from fewer points than before, unless `on_shrink: replace`.

    The remaining points would replace good aggregates by wrong ones, with `on_shrink: merge` too.

    Args:
        catalog: The catalog of both tables.
        measurement: The measurement.
        rollup: The roll-up.
        window: The window.
        points: The coverage of the measurement's table.

    Raises:
        WindowNotLoaded: The roll-up is complete for the window and the measurement's table no longer is.
    """
    if measurement.on_shrink is OnShrink.REPLACE:
        return
    computed = table_state(find_table(catalog, rollup.identifier)).coverage
    gone = Coverage(computed.within([window]).intervals).without(Coverage(points.intervals))
    if gone:
        shown = ", ".join(map(str, gone[:3])) + (f" and {len(gone) - 3:,} more" if len(gone) > 3 else "")
        raise WindowNotLoaded(
            f"{rollup.table_name} was computed from points that {measurement.table_name} no longer holds as loaded: "
            f"{shown}; the roll-up is unchanged",
            remedy=f"Load them first: influx-lake replicate {measurement.name} --missing-only (influx-lake status says "
            "what happened to the table)",
        )


@dataclass(frozen=True, slots=True)
class EmptiedGuard:
    """Applies `on_shrink` to windows that still have aggregates and no longer have points.

    Attributes:
        rollup: The roll-up.
    """

    measurement: Measurement
    rollup: Rollup

    def check(self, window: Window, rows: int, previous_rows: int) -> None:  # noqa: ARG002
        """Refuse to empty a window that has aggregates, with `on_shrink: fail`.

        Raises:
            WindowShrank: The window has aggregates and no points.
        """
        if self.measurement.on_shrink is OnShrink.FAIL and previous_rows and not rows:
            raise WindowShrank(
                f"{self.measurement.table_name} has no points for the window, and {self.rollup.table_name} holds "
                f"{counted(previous_rows, 'row')} computed from some, which would be lost; the roll-up is unchanged",
                remedy="Find out where the points went (influx-lake status, influx-lake verify); if they were deleted "
                "on purpose, set on_shrink: replace for this measurement; to keep the aggregates, on_shrink: merge",
            )

    def keeps_missing(self, rows: int, previous_rows: int) -> bool:
        """Whether aggregates without points are kept: with `on_shrink: merge`."""
        return self.measurement.on_shrink is OnShrink.MERGE and bool(previous_rows) and not rows
