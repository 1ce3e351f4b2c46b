"""Adds the points of messages to a table, together with the position of their stream, in one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.iceberg.columns.known_columns import time_field
from influx_lake.iceberg.commit.commit_plan import KEPT_ROWS, Change
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.load.message_plan import StreamPlan
from influx_lake.iceberg.load.opening import open_ingest
from influx_lake.iceberg.merge.copy_on_write import Merge, Outcome, as_read, replaced_others
from influx_lake.iceberg.merge.point_key import point_key
from influx_lake.iceberg.scan.planning import files_of, time_bounds
from influx_lake.iceberg.scan.reader import arrow_schema, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.streams.columns import StreamColumns
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_result import WindowResult

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask, Table

_STRETCH_US = 60_000_000
"""The size of the stretches of time, in microseconds, by which files with points are found."""


def add_messages(
    load: WindowLoad, columns: StreamColumns, window_at: Callable[[datetime], Window], before: int
) -> WindowResult:
    """Join the points of messages with those of the table: rows of the same point become one, and new values win.

    Nothing is recorded as covered. Files that hold none of the points stay as they are.

    Args:
        load: The load of all points, in mode `upsert`, with the position of their stream.
        columns: The tags and fields that the stream has had for the table.
        window_at: The measurement's window at a time: up to its newest point, it is recorded as tailed.
        before: The sequence number of the previous addition to the table; 0 where there was none.

    Raises:
        StreamSetBack: The table was rolled back to before that.
        StreamOvertaken: Another process has added these messages, or later ones.
        LakeError: Its class tells what can be done about it; the table is unchanged.
    """
    assert load.stream is not None
    target = load.target
    with open_ingest(load) as ingest:
        key = point_key(target, ingest.shape.schema)
        schema = arrow_schema(ingest.table.schema())
        with closing(StreamMerge(load, schema, key, target.write.merge_fields)) as merge:
            with catalog_errors(f"keep rows of {target.name} aside"):
                merge.take(merge.recording_times(as_read(ingest.batches(), ingest.table)))
            plan = StreamPlan(merge, target, load.stream, lambda: merge.tailed(window_at), columns, before)
            return ingest.commit(plan)


class StreamMerge(Merge):
    """Plans the join of points with the table's rows of the same keys; files that hold none of them stay as they are.

    Nearly all points of a stream are new: files that share their time are read for their keys, and rarely rewritten.
    """

    def recording_times(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Record the times of batches while passing them through."""
        for batch in batches:
            times = np.asarray(batch.column(self._time).cast(pa.timestamp("us")).cast(pa.int64()))
            for stretch in np.unique(times // _STRETCH_US).tolist():
                newest = int(times[times // _STRETCH_US == stretch].max())
                self._newest[stretch] = max(newest, self._newest.get(stretch, newest))
            yield batch

    def plan(self, table: Table) -> Change:
        """Replace the files that hold some of the points by files of the join."""
        with catalog_errors(f"plan what is added to {self.load.target.name}"):
            found = files_of(table, self.load.window, self._time)
            touched = [task for task in (*found.inside, *found.straddling) if self._holds_some(table, task)]
            outside = [self._outside.of(table, task) for task in touched if task in found.straddling]
        outcome = self._join(table, touched) if self._rows else Outcome()
        return Change(
            removed=tuple(task.file for task in touched),
            added=(*outcome.files, *(file for part in outside for file in part.files)),
            rows=outcome.rows,
            previous_rows=outcome.held,
            coverage=table_state(table).coverage,
            # Other rows of that time were not counted.
            notes={KEPT_ROWS: str(outcome.kept + 1), **replaced_others(outcome.others)},
        )

    def _holds_some(self, table: Table, task: FileScanTask) -> bool:
        """Whether a file holds one of the points."""
        bounds = time_bounds(task.file, time_field(table, self._time).field_id)
        if bounds is not None and not self._has_times_between(*bounds):
            return False
        if not self._points.exact:
            return True
        text = self.key.text_of(arrow_schema(table.schema()))
        wanted = RowFilter.of([self.load.window], table, self._time)
        with closing(read_tasks(table, [task], wanted, table.schema().select(*self.key.all), text)) as rows:
            return any(bool((~self._points.not_in(self._points.of(batch))).any()) for batch in rows)

    def _has_times_between(self, first_us: int, last_us: int) -> bool:
        """Whether there may be points in a range of time, both ends included."""
        place = int(np.searchsorted(self._stretches, first_us // _STRETCH_US))
        return place < len(self._stretches) and int(self._stretches[place]) <= last_us // _STRETCH_US

    @cached_property
    def _stretches(self) -> npt.NDArray[np.int64]:
        """The stretches of time that have points, in order."""
        return np.array(sorted(self._newest), np.int64)

    def tailed(self, window_at: Callable[[datetime], Window]) -> list[Window]:
        """For each window that has points, the time up to the newest one."""
        ends: dict[datetime, datetime] = {}
        for newest in self._newest.values():
            moment = EPOCH + newest * MICROSECOND
            start = window_at(moment).start
            ends[start] = max(moment + MICROSECOND, ends.get(start, start))
        return [Window(start, end) for start, end in ends.items()]

    @cached_property
    def _newest(self) -> dict[int, int]:
        """The newest time of each stretch that has points, in microseconds since 1970."""
        return {}
