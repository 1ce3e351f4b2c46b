"""Which rows lie in any of some windows: told of a file or a part of one from its bounds, else row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window, merged
from influx_lake.iceberg.scan.planning import in_windows

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table

Bounds = tuple[int, int]
"""The first and the last time of some rows, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class TimeFilter:
    """The rows of some windows.

    Attributes:
        windows: The windows, which have no time in common.
        column: The column of time.
    """

    windows: tuple[Window, ...]
    column: str

    @classmethod
    def of(cls, windows: Iterable[Window], column: str = TIME) -> TimeFilter:
        """The rows of any of some windows; a row in two of them is one row."""
        return cls(merged(windows), column)

    def expression(self, table: Table) -> BooleanExpression:
        """The filter for a scan of a table."""
        return in_windows(self.windows, table, self.column)

    def holds_all(self, bounds: Bounds | None) -> bool:
        """Whether all rows between two times are known to be asked for."""
        return bounds is not None and any(
            window.start_us <= bounds[0] and bounds[1] < window.end_us for window in self.windows
        )

    def holds_none(self, bounds: Bounds | None) -> bool:
        """Whether no row between two times is asked for."""
        return bounds is not None and not any(
            bounds[0] < window.end_us and window.start_us <= bounds[1] for window in self.windows
        )

    def sift(self, batch: pa.RecordBatch, times: pa.Array) -> pa.RecordBatch:
        """The rows of a batch that are asked for; one without a time never is.

        Args:
            batch: The rows.
            times: Their times, in microseconds.
        """
        ends = pc.min_max(times.cast(pa.int64())).as_py()
        bounds = None if times.null_count or not len(times) else (ends["min"], ends["max"])
        if self.holds_all(bounds):
            return batch
        if self.holds_none(bounds):
            return batch.slice(0, 0)
        numbers = times.cast(pa.int64())
        asked = [
            pc.and_(pc.greater_equal(numbers, window.start_us), pc.less(numbers, window.end_us))
            for window in self.windows
        ]
        return batch.filter(pc.fill_null(reduce(pc.or_, asked), False)) if asked else batch.slice(0, 0)
