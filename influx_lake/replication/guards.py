"""What stops a window before it harms the lake."""

from __future__ import annotations

from influx_lake.config import Measurement, OnShrink
from influx_lake.errors import WindowShrank


def check_shrink(measurement: Measurement, rows: int, previous_rows: int) -> None:
    """Stop a window that would leave fewer rows than the lake holds, unless the measurement says `on_shrink: replace`.

    A source forgets without anything having been deleted on purpose: by its retention, or because InfluxDB 3 Core does
    not serve old files after a restart.

    Raises:
        WindowShrank: The source has fewer rows than the lake.
    """
    if rows >= previous_rows or measurement.on_shrink is OnShrink.REPLACE:
        return
    has = f"only {rows:,} rows" if rows else "no rows"
    raise WindowShrank(
        f"the source has {has} for the window, and {measurement.table_name} holds {previous_rows:,}: "
        f"replacing them would lose {previous_rows - rows:,}; the table is unchanged",
        remedy="Check the source's retention and whether it was restarted; if the rows were deleted on purpose, set "
        "on_shrink: replace for this measurement",
    )
