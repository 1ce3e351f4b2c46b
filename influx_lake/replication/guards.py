"""Guards that stop a window before it harms the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config import Measurement, OnShrink
from influx_lake.config.values.windows import Window
from influx_lake.errors import WindowShrank, WindowTooLarge
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.iceberg.table_state import TableState, table_state
from influx_lake.replication.definition import is_outdated
from influx_lake.replication.foreign_changes import replacing, told_of
from influx_lake.sources.protocol import RowStream

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


@dataclass(frozen=True, slots=True)
class ShrinkGuard:
    """Applies `on_shrink` to windows of which the source has fewer rows.

    Attributes:
        catalog: The catalog of its table.
        measurement: The measurement.
    """

    catalog: Catalog
    measurement: Measurement

    def check(self, window: Window, rows: int, previous_rows: int) -> None:
        """See `check_shrink`."""
        check_shrink(self.measurement, window, rows, previous_rows, self._state)

    def keeps_missing(self, rows: int, previous_rows: int) -> bool:
        """Whether the lake keeps rows that the source no longer has: with `on_shrink: merge`."""
        return self.measurement.on_shrink is OnShrink.MERGE and has_shrunk(self.measurement, rows, previous_rows)

    def _state(self) -> TableState:
        return table_state(find_table(self.catalog, self.measurement.identifier, self.measurement.share))


def check_shrink(
    measurement: Measurement,
    window: Window,
    rows: int,
    previous_rows: int,
    state: Callable[[], TableState] = TableState,
) -> None:
    """Stop a window that would leave fewer rows than the lake holds, with `on_shrink: fail`.

    A source loses rows although nobody deleted any: by its retention, or because InfluxDB 3 Core does not serve old
    files after a restart. Where foreign changes added rows to the table, or the window was loaded under another
    definition, the source may have lost none.

    Args:
        measurement: The measurement.
        window: The window.
        rows: The number of rows of the load.
        previous_rows: The number of rows in the lake.
        state: Returns the state of the table; called where it matters.

    Raises:
        WindowShrank: The source has fewer rows than the lake, by more than `shrink_tolerance`.
    """
    if measurement.on_shrink is not OnShrink.FAIL or not has_shrunk(measurement, rows, previous_rows):
        return
    has = f"only {rows:,} rows" if rows else "no rows"
    lost = previous_rows - rows
    tolerance = measurement.shrink_tolerance
    tolerated = f", where {tolerance} may go" if tolerance.amount else ""
    said = (
        f"the source has {has} for the window, and {measurement.table_name} holds {previous_rows:,}: "
        f"replacing them would lose {lost:,} ({lost / previous_rows:.1%}){tolerated}; the table is unchanged"
    )
    known = state()
    if (changes := known.others_in(window)) is not None:
        raise WindowShrank(
            f"{said}. Others added rows to the table in that time: {told_of(changes)}",
            remedy=f"To have the source's rows alone: {replacing(measurement, window.start, window.end)}; to keep "
            "the added rows beside the source's, on_shrink: merge",
        )
    if is_outdated(measurement, known, window):
        raise WindowShrank(
            f"{said}. The window was loaded under another definition of columns and rows than lake.yaml has now, which "
            "may be why",
            remedy=f"If it is: {replacing(measurement, window.start, window.end)}, or --changed --replace for all "
            "windows of another definition",
        )
    raise WindowShrank(
        said,
        remedy="Check the source's retention and whether it was restarted; if the rows were deleted on purpose, set "
        "on_shrink: replace for this measurement; to keep them beside the source's, on_shrink: merge",
    )


def has_shrunk(measurement: Measurement, rows: int, previous_rows: int) -> bool:
    """Whether more rows are missing than `shrink_tolerance` allows."""
    missing = previous_rows - rows
    return missing > 0 and not measurement.shrink_tolerance.allows(missing, previous_rows)


def check_size(measurement: Measurement, rows: int) -> None:
    """Stop a window with more rows than `max_window_rows`.

    Raises:
        WindowTooLarge: The window has more rows.
    """
    limit = measurement.max_window_rows
    if limit is not None and rows > limit:
        raise WindowTooLarge(
            f"the source has more than {limit:,} rows for the window (max_window_rows); the table is unchanged",
            remedy="Load shorter windows (`--every`, or `partition.every`), or raise max_window_rows",
        )


@dataclass(slots=True)
class LimitedRows:
    """A stream that fails once it has more rows than `max_window_rows`."""

    rows: RowStream
    measurement: Measurement
    seen: int = 0

    @property
    def schema(self) -> pa.Schema:
        return self.rows.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.rows:
            self.seen += len(batch)
            check_size(self.measurement, self.seen)
            yield batch
