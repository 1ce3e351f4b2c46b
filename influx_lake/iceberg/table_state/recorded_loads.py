"""The loads of windows, from the summaries of the snapshots that a table still has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from influx_lake.config.values.windows import EPOCH, Window
from influx_lake.iceberg.columns.known_columns import share_of
from influx_lake.iceberg.table_state.changes import BRANCH, is_load_of
from influx_lake.iceberg.table_state.lineage import line_there

if TYPE_CHECKING:
    from pyiceberg.table import Table

_WINDOW = "influx-lake.window"


@dataclass(frozen=True, slots=True)
class RecordedLoad:
    """A load of a window.

    Attributes:
        snapshot_id: Its snapshot.
        committed: When the snapshot was committed.
        run_id: The run that loaded it.
        previous_rows: Rows of the window before.
        files: The number of data files written.
        bytes: Their total size.
    """

    snapshot_id: int
    committed: datetime
    run_id: str
    previous_rows: int
    files: int
    bytes: int


def recorded_loads(table: Table) -> dict[Window, RecordedLoad]:
    """The latest load of each window whose snapshot has not expired; of the viewed rows."""
    found: dict[Window, RecordedLoad] = {}
    line = line_there(table.metadata)
    for snapshot in sorted(table.metadata.snapshots, key=lambda each: each.timestamp_ms):
        summary = snapshot.summary.additional_properties if snapshot.summary else {}
        unpublished = BRANCH in summary and snapshot.snapshot_id not in line
        if _WINDOW in summary and is_load_of(snapshot, share_of(table)) and not unpublished:
            found[Window.parse(summary[_WINDOW])] = RecordedLoad(
                snapshot_id=snapshot.snapshot_id,
                committed=EPOCH + timedelta(milliseconds=snapshot.timestamp_ms),
                run_id=summary.get("influx-lake.run-id", ""),
                previous_rows=int(summary.get("influx-lake.previous-rows", 0)),
                files=int(summary.get("added-data-files", 0)),
                bytes=int(summary.get("added-files-size", 0)),
            )
    return found
