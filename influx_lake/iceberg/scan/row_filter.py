"""Filters rows by windows and measurement: whole files and row groups by their metadata, else row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.source_schema import TIME
from influx_lake.config.values.windows import Window, merged
from influx_lake.iceberg.columns.known_columns import share_of, time_field
from influx_lake.iceberg.scan.planning import in_windows, time_bounds
from influx_lake.iceberg.scan.share_files import of_share, only_of_share

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

Bounds = tuple[int, int]
"""The first and last time of some rows, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The rows of some windows, and of one measurement where the table holds several.

    Attributes:
        windows: The windows, which do not overlap; None: any time.
        column: The time column.
        share: The measurement; None: all of them.
    """

    windows: tuple[Window, ...] | None
    column: str
    share: Share | None = None

    @classmethod
    def of(cls, windows: Iterable[Window] | None, table: Table, column: str = TIME) -> RowFilter:
        """The viewed rows of a table in any of some windows; overlapping windows are merged."""
        return cls(merged(windows) if windows is not None else None, column, share_of(table))

    @property
    def is_needed(self) -> bool:
        """Whether the filter removes any rows."""
        return self.windows is not None or self.share is not None

    def expression(self, table: Table) -> BooleanExpression:
        """The filter for a scan of a table."""
        from pyiceberg.expressions import AlwaysTrue

        if self.windows is not None:
            return in_windows(self.windows, table, self.column)
        return AlwaysTrue() if self.share is None else of_share(table, self.share)

    def within(self, table: Table, file: DataFile) -> RowFilter:
        """The part of the filter that has to be applied to a file's rows, since its metadata does not decide it."""
        held = self.windows is not None and self.holds_all(time_bounds(file, time_field(table, self.column).field_id))
        is_of_share = self.share is not None and only_of_share(table)(file)
        return replace(self, windows=None if held else self.windows, share=None if is_of_share else self.share)

    def holds_all(self, bounds: Bounds | None) -> bool:
        """Whether all rows between two times certainly lie in the windows."""
        if self.windows is None:
            return True
        return bounds is not None and any(
            window.start_us <= bounds[0] and bounds[1] < window.end_us for window in self.windows
        )

    def holds_none(self, bounds: Bounds | None) -> bool:
        """Whether no row between two times lies in the windows."""
        return (
            self.windows is not None
            and bounds is not None
            and not any(bounds[0] < window.end_us and window.start_us <= bounds[1] for window in self.windows)
        )

    def sift(self, batch: pa.RecordBatch, times: pa.Array | None, values: pa.Array | None = None) -> pa.RecordBatch:
        """The rows of a batch that pass the filter; rows without a time do not pass windows.

        Args:
            batch: The rows.
            times: Their times, in microseconds, where there are windows.
            values: Their values in the share's column, where there is a share.
        """
        kept = [each for each in (self._in_windows(times), self._in_share(values)) if each is not None]
        return batch.filter(pc.fill_null(reduce(pc.and_, kept), False)) if kept else batch

    def mask(self, batch: pa.RecordBatch) -> pa.Array:
        """The mask of the rows of a batch that pass the filter; without nulls."""
        times = batch.column(self.column) if self.windows is not None else None
        values = batch.column(self.share.column) if self.share is not None else None
        kept = [each for each in (self._in_windows(times), self._in_share(values)) if each is not None]
        return pc.fill_null(reduce(pc.and_, kept), False) if kept else pa.repeat(True, len(batch))

    def _in_windows(self, times: pa.Array | None) -> pa.Array | None:
        """The mask of the times in the windows; None where all are."""
        if self.windows is None:
            return None
        assert times is not None
        numbers = times.cast(pa.int64())
        ends = pc.min_max(numbers).as_py()
        bounds = None if numbers.null_count or not len(numbers) else (ends["min"], ends["max"])
        if self.holds_all(bounds):
            return None
        if self.holds_none(bounds):
            return pa.repeat(False, len(numbers))
        asked = [
            pc.and_(pc.greater_equal(numbers, window.start_us), pc.less(numbers, window.end_us))
            for window in self.windows
        ]
        return reduce(pc.or_, asked) if asked else pa.repeat(False, len(numbers))

    def _in_share(self, values: pa.Array | None) -> pa.Array | None:
        """The mask of the rows of the measurement; None for any measurement."""
        if self.share is None:
            return None
        assert values is not None
        if pa.types.is_dictionary(values.type):
            same = _equal(values.dictionary, self.share.value)
            return same.take(values.indices)
        return _equal(values, self.share.value)


def _equal(values: pa.Array, value: str) -> pa.Array:
    return pc.equal(values, pa.scalar(value, values.type))
