"""The result of loading a window."""

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
    """The result of loading a window.

    Attributes:
        rows: Rows that the table holds for the window now.
        previous_rows: Rows that it held before.
        snapshot_id: The snapshot of the load; the table's current one where there was nothing to do.
        table: The table after the load.
        files_added: Data files written, including those with the rows outside the window of a file that was split.
        files_removed: Data files removed.
        bytes_written: Bytes of the files added.
        notes: Further properties of the snapshot's summary.
        first_time: The time of the first row that was loaded; None where none was.
        last_time: The time of the last one; None where none was.
        preview: The first rows as they were written, at most ten.
        sources: The columns of the measurement, or of the rows, that each column of the table was made of.
        quarantined_rows: Rows that went to the table's quarantine because they did not fit the table.
        schema: The measurement's columns as its table gets them, where the rows are a measurement's.
        declared: All columns that the source declared for it.
        read_from: When reading its rows began, where that may be before the load began; None: not before.
        seconds: Duration of the load.
        read_seconds: The part of it that was spent waiting for the source.
        commit_seconds: Duration of its commits: planning, writing manifests, asking the catalog, in all attempts.
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
        """Rows of the table; of this measurement alone, where the table holds several."""
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
        """The part of the time that was spent writing and committing."""
        return self.seconds - self.read_seconds

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds if self.seconds else 0.0

    def with_earlier(self, earlier: WindowResult) -> WindowResult:
        """Combine this result with that of an earlier commit, of another part of the window, as one load."""
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
