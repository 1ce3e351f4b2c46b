"""Protects off-loaded windows: loads may add rows to them, and replace none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from influx_lake.config import Measurement, WriteMode
from influx_lake.config.values.windows import Window
from influx_lake.errors import OffloadedRowsMissing
from influx_lake.iceberg.proofs.offloaded import Offloaded, is_offloaded, offloaded_from
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.erased_rows import erased_from
from influx_lake.iceberg.table_state.lineage import Lineage

if TYPE_CHECKING:
    from pyiceberg.table import Table

__all__ = ["check_held", "holds", "is_offloaded", "sparing"]


def sparing(measurement: Measurement, table: Table | None, window: Window) -> Measurement:
    """The measurement for the load of a window: in an off-loaded one the source's rows are added and none is replaced,
    whatever `write.mode` and `on_shrink` say.

    Args:
        measurement: The measurement.
        table: Its table, under the names that loads know; None where there is none.
        window: The window.

    Raises:
        OffloadedRowsMissing: The table no longer has the off-loaded rows.
    """
    if not is_offloaded(table, window):
        return measurement
    check_held(measurement, table, window)
    if measurement.write.mode is WriteMode.APPEND:
        return measurement
    write = measurement.write.model_copy(update={"mode": WriteMode.UPSERT, "merge_fields": True})
    return replace(measurement, write=write)


def check_held(measurement: Measurement, table: Table | None, *windows: Window) -> None:
    """Check that a table still has the rows that were deleted at the source.

    Args:
        measurement: The measurement.
        table: Its table.
        windows: Checks only what overlaps these; everything where none is given.

    Raises:
        OffloadedRowsMissing: It does not: it was rolled back, or another tool removed rows.
    """
    kept_since = measurement.oldest_kept(datetime.now(UTC))
    for each in offloaded_from(table):
        if (windows and not any(map(each.meets, windows))) or (
            kept_since is not None and each.window.end <= kept_since
        ):
            continue
        if table is not None and not holds(measurement, table, each):
            raise OffloadedRowsMissing(
                f"{each.window} was off-loaded: it is deleted at the source, and {measurement.table_name} no longer "
                "holds it as it was proved. It was rolled back, or another tool removed rows. The snapshot "
                f"{each.snapshot_id} had it (tag {each.tag}); nothing is loaded there, since the source has nothing",
                remedy=f"Bring the rows back: influx-lake rollback {measurement.key} --to {each.tag}, or to a snapshot "
                "since",
            )


def holds(measurement: Measurement, table: Table, entry: Offloaded) -> bool:
    """Whether a table still has an off-loaded window: its current snapshot descends from the proved one and covers the
    window. Where the proved snapshot expired, the row count decides: at least as many as were proved, less those erased
    since.

    Args:
        measurement: The measurement.
        table: The table, under the names that loads know.
        entry: The off-loaded window.
    """
    current = table.current_snapshot()
    if current is None or not table_state(table).coverage.holds(entry.window):
        return False
    if table.metadata.snapshot_by_id(entry.snapshot_id) is None:
        # The snapshot has expired.
        [rows] = count_by_window(table, [entry.window], measurement.time_column)
        return rows >= entry.rows or bool(erased_from(table))
    return any(each.snapshot_id == entry.snapshot_id for each in Lineage(table).line(current))
