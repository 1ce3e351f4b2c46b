"""Finds series (hosts, sensors) that were silent for longer than allowed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.checks.subject import Subject
from influx_lake.config.values.units import format_duration
from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window, utc_text
from influx_lake.errors import ConfigurationError
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.table_state.coverage import Coverage

if TYPE_CHECKING:
    from pyiceberg.table import Table

MOST_STRETCHES = 5_000_000
"""The most stretches of time kept for all series together: about 200 MB."""
_BUCKET, _FIRST, _LAST = "bucket", "first", "last"


@dataclass(frozen=True, slots=True)
class Silence:
    """An interval without points.

    Attributes:
        series: The series: `host=a`; the whole measurement without `by`.
        since: The last point before it, or the start of the window.
        until: The first point after it, or the end of the coverage.
    """

    series: str
    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        return self.until - self.since

    def __str__(self) -> str:
        minutes = self.length.total_seconds() / 60
        start = utc_text(self.since.replace(microsecond=0))
        return f"no points from {self.series} for {minutes:,.0f} min from {start}"


def silences(subject: Subject) -> list[Silence]:
    """Find the series without points for longer than allowed, within the windows or across their start.

    A series whose last point is before a window by no more than the allowed silence is expected in the window.

    Raises:
        ConfigurationError: A column of `by` is not in the table, or there are too many series.
    """
    limit, by = subject.measurement.checks.gaps.longer_than, subject.measurement.checks.gaps.by
    if limit is None or subject.table is None:
        return []
    _check_columns(subject.table, by)
    found: list[Silence] = []
    for window in _joined(subject.windows):
        found += _silences_in(subject.table, window, subject.measurement.time_column, by, limit)
    return found


def _joined(windows: Iterable[Window]) -> list[Window]:
    """Merge adjacent windows: a silence across their bound is one."""
    return list(reduce(Coverage.adding, windows, Coverage()).intervals)


def _check_columns(table: Table, by: tuple[str, ...]) -> None:
    names = {column.name for column in table.schema().fields}
    unknown = [name for name in by if name not in names]
    if unknown:
        raise ConfigurationError(
            f"checks.gaps.by names {', '.join(unknown)}, which the table does not have",
            remedy=f"Name columns of the table: {', '.join(sorted(names))}",
        )


def _silences_in(table: Table, window: Window, time: str, by: tuple[str, ...], limit: timedelta) -> list[Silence]:
    before = Window(window.start - limit, window.start)
    stretches = _Stretches(time, by, limit // MICROSECOND)
    for batch in read_windows(table, [Window(before.start, window.end)], time, [time, *by]):
        stretches.add(batch)
    silent = stretches.silences(window)
    if not by and stretches.is_empty():
        return [Silence("the measurement", window.start, window.end)] if window.end - window.start > limit else []
    return silent


@dataclass(slots=True)
class _Stretches:
    """The first and last point of each stretch of time, for each series.

    A stretch is as long as the allowed silence, so a longer silence lies between the last point of one stretch and the
    first of the next: exact, without keeping rows.
    """

    time: str
    by: tuple[str, ...]
    limit_us: int
    _waiting: list[pa.Table] = field(default_factory=list)
    _rows: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Add the points of a batch."""
        if not len(batch):
            return
        moments = batch.column(self.time).cast(pa.int64())
        columns = [*(batch.column(name) for name in self.by), pc.divide(moments, self.limit_us), moments, moments]
        stretches = _merged(pa.table(columns, names=[*self.by, _BUCKET, _FIRST, _LAST]), self.by)
        self._waiting.append(stretches)
        self._rows += len(stretches)
        if len(self._waiting) >= 64:
            self._together()

    def is_empty(self) -> bool:
        """Whether no point was added."""
        return self._rows == 0

    def silences(self, window: Window) -> list[Silence]:
        """Find the silences that end in a window, or continue until its end."""
        if self.is_empty():
            return []
        order = [(name, "ascending") for name in (*self.by, _BUCKET)]
        stretches = self._together().sort_by(order).combine_chunks()
        since, until, rows = self._between(stretches, window)
        long = pc.and_(pc.greater(pc.subtract(until, since), self.limit_us), pc.greater(until, window.start_us))
        keys = stretches.select(list(self.by)).take(rows).filter(long).to_pylist()
        ends = zip(since.filter(long).to_pylist(), until.filter(long).to_pylist(), strict=True)
        return [
            Silence(_who(key), EPOCH + start * MICROSECOND, EPOCH + end * MICROSECOND)
            for key, (start, end) in zip(keys or [{}] * pc.sum(long).as_py(), ends, strict=True)
        ]

    def _between(self, stretches: pa.Table, window: Window) -> tuple[pa.Array, pa.Array, pa.Array]:
        """The start, end and row of the silence after each stretch, until the series' next one or the window's end."""
        first, last = (stretches.column(name).combine_chunks() for name in (_FIRST, _LAST))
        end = pa.scalar(window.end_us, pa.int64())
        following = pa.concat_arrays([first.slice(1), pa.array([window.end_us], pa.int64())])
        same = pa.array([True] * len(stretches))
        for name in self.by:
            values = pc.dictionary_encode(stretches.column(name).combine_chunks(), null_encoding="encode").indices
            shifted = pa.concat_arrays([values.slice(1), pa.array([-1], values.type)])
            same = pc.and_(same, pc.equal(values, shifted))
        return last, pc.if_else(same, following, end), pa.array(range(len(stretches)), pa.int64())

    def _together(self) -> pa.Table:
        merged = _merged(pa.concat_tables(self._waiting), self.by)
        self._waiting, self._rows = [merged], len(merged)
        if self._rows > MOST_STRETCHES:
            limit = format_duration(self.limit_us * MICROSECOND)
            raise ConfigurationError(
                f"checks.gaps has too many series: {', '.join(self.by)} in stretches of {limit}",
                remedy="Name columns with fewer values in `by`, or allow longer gaps",
            )
        return merged


def _merged(stretches: pa.Table, by: tuple[str, ...]) -> pa.Table:
    keys = [*by, _BUCKET]
    found = stretches.group_by(keys).aggregate([(_FIRST, "min"), (_LAST, "max")])
    return found.select([*keys, f"{_FIRST}_min", f"{_LAST}_max"]).rename_columns([*keys, _FIRST, _LAST])


def _who(key: dict[str, object]) -> str:
    named = ", ".join(f"{name}={'' if value is None else value}" for name, value in key.items())
    return named or "the measurement"
