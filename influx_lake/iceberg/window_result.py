"""What loading a window did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What loading a window did to its table.

    Attributes:
        rows: How many rows the table holds for the window now.
        previous_rows: How many it held before.
        snapshot_id: The snapshot that did it; the table's current one when there was nothing to do.
        table: The table with the snapshot.
        files_added: Data files written, also those that keep rows outside the window of a file that was split.
        files_removed: Data files dropped.
        bytes_written: Bytes of the files added.
        notes: What the snapshot's summary says besides.
        first_time: The time of the first row that was loaded, None when none was.
        last_time: The time of the last one.
        preview: The first rows as they were written, ten at most.
        sources: Which columns of the measurement, or of the rows, each column of the table was made of.
        quarantined_rows: How many rows went to the table's quarantine, for they did not fit the table.
        schema: The measurement's columns as its table gets them, where the rows are a measurement's.
        declared: All columns that the source had of it.
        read_from: When its rows began to be read, where that may have been before the load began; None: not before.
        seconds: How long all of it took.
        read_seconds: How much of that was spent waiting for the source.
        commit_seconds: How long its commits took: planning them, writing manifests, asking the catalog, all tries.
    """

    window: Window
    rows: int
    previous_rows: int
    snapshot_id: int
    table: Table
    files_added: int = 0
    files_removed: int = 0
    bytes_written: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)
    first_time: datetime | None = None
    last_time: datetime | None = None
    preview: pa.Table = field(default_factory=lambda: pa.table({}))
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quarantined_rows: int = 0
    schema: MeasurementSchema | None = None
    declared: MeasurementSchema | None = None
    read_from: datetime | None = None
    seconds: float = 0.0
    read_seconds: float = 0.0
    commit_seconds: float = 0.0

    @property
    def total_rows(self) -> int:
        """How many rows the table holds; where it holds several measurements, of this one."""
        from influx_lake.iceberg.scan.row_counts import total_rows

        # A commit that was found in the table after an error may have lost its snapshot to an expiry.
        snapshot = self.table.metadata.snapshot_by_id(self.snapshot_id) or self.table.current_snapshot()
        return total_rows(self.table, snapshot)

    @property
    def table_name(self) -> str:
        """`namespace.table`."""
        return ".".join(self.table.name())

    @property
    def empty(self) -> bool:
        """Whether the source has no rows for the window."""
        return self.rows + self.quarantined_rows == 0

    @property
    def write_seconds(self) -> float:
        """How much of the time was spent writing and committing."""
        return self.seconds - self.read_seconds

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0

    def with_earlier(self, earlier: WindowResult) -> WindowResult:
        """The figures of this commit and of one before it, of another part of the window, as those of one load."""
        firsts = [time for time in (earlier.first_time, self.first_time) if time is not None]
        lasts = [time for time in (earlier.last_time, self.last_time) if time is not None]
        return replace(
            self,
            previous_rows=earlier.previous_rows,
            files_added=earlier.files_added + self.files_added,
            files_removed=earlier.files_removed + self.files_removed,
            bytes_written=earlier.bytes_written + self.bytes_written,
            first_time=min(firsts, default=None),
            last_time=max(lasts, default=None),
            preview=earlier.preview if len(earlier.preview) else self.preview,
            sources={**earlier.sources, **self.sources},
            quarantined_rows=earlier.quarantined_rows + self.quarantined_rows,
            commit_seconds=earlier.commit_seconds + self.commit_seconds,
        )
