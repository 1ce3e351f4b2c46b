"""Streams of rows, and statistics of a window's rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.texts import are_texts
from influx_lake.config.tables.shared_tables import Share
from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window, utc_text
from influx_lake.errors import DataRefused

PREVIEW_ROWS = 10


class Rows(Protocol):
    """Record batches of one schema."""

    @property
    def schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


@dataclass(slots=True)
class WindowStatistics:
    """Statistics of the rows of a window.

    Attributes:
        time_column: The time column.
        window: The window that the rows must lie in.
        table_name: The table that they are for, for messages.
        share: The measurement that they must belong to, where the table may hold several.
        rows: The number of rows.
        first_us: The first time, in microseconds since 1970.
        last_us: The last one.
        head: The first rows, at most ten.
    """

    time_column: str
    window: Window
    table_name: str
    share: Share | None = None
    rows: int = 0
    first_us: int | None = None
    last_us: int | None = None
    head: list[pa.RecordBatch] = field(default_factory=list)
    _previewed: int = 0

    def observe(self, batch: pa.RecordBatch) -> None:
        """Check a batch, and add it to the statistics.

        Raises:
            DataRefused: A row has no time, lies outside the window or belongs to another measurement than the table
                records: a later load of the window would not replace it. Or a string is not UTF-8, as Iceberg requires:
                engines could not read the table.
        """
        self._check_share(batch)
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if not are_texts(column):
                raise DataRefused(
                    f"column {name!r} of the rows for {self.table_name} has a string that is not UTF-8",
                    remedy="Correct it where the rows come from",
                )
        times = batch.column(self.time_column)
        if times.null_count:
            raise DataRefused(f"{times.null_count} rows for {self.table_name} have no {self.time_column}")
        # Rounded down, not cast: a cast rounds towards 1970, which moves earlier nanoseconds across a bound.
        fine = times.type.unit == "ns"
        extremes = pc.min_max(times if fine else times.cast(pa.timestamp("us", times.type.tz)))
        first, last = (extremes[end].value // (1000 if fine else 1) for end in ("min", "max"))
        if first < self.window.start_us or last >= self.window.end_us:
            raise DataRefused(
                f"the rows for {self.table_name} reach from {_moment(first)} to {_moment(last)}, beyond the window "
                f"{self.window}",
                remedy="A source must answer a window with its own rows only",
            )
        self.first_us = first if self.first_us is None else min(first, self.first_us)
        self.last_us = last if self.last_us is None else max(last, self.last_us)
        if self._previewed < PREVIEW_ROWS:
            self.head.append(batch.slice(0, PREVIEW_ROWS - self._previewed))
            self._previewed += len(self.head[-1])
        self.rows += len(batch)

    def _check_share(self, batch: pa.RecordBatch) -> None:
        share = self.share
        if share is None:
            return
        values = batch.column(share.column) if share.column in batch.schema.names else pa.nulls(len(batch), pa.string())
        found = pc.unique(values.cast(pa.string()))
        if found.to_pylist() not in ([], [share.value]):
            raise DataRefused(
                f"the rows of {share.value!r} for {self.table_name} have others in {share.column!r}, which "
                f"distinguishes the measurements of the table: {', '.join(map(repr, found.to_pylist()[:5]))}",
                remedy=f"The column {share.column!r} has to be {share.value!r} in all of them",
            )

    @property
    def first_time(self) -> datetime | None:
        """The time of the first row; None where there is none."""
        return None if self.first_us is None else EPOCH + self.first_us * MICROSECOND

    @property
    def last_time(self) -> datetime | None:
        """The time of the last row; None where there is none."""
        return None if self.last_us is None else EPOCH + self.last_us * MICROSECOND

    @property
    def preview(self) -> pa.Table:
        """The first rows, at most ten."""
        return pa.Table.from_batches(self.head) if self.head else pa.table({})


def _moment(microseconds: int) -> str:
    return utc_text(EPOCH + microseconds * MICROSECOND)
