"""Adds files beside the rows of a window whose points were not loaded: a merge that does not rewrite them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.iceberg.commit.commit_plan import KEPT_ROWS, Change
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.merge.copy_on_write import Merge, replaced_others, touched_by
from influx_lake.iceberg.merge.key_set import OtherPoints, PointsAside
from influx_lake.iceberg.merge.lookahead_stream import Arriving, TimesAhead
from influx_lake.iceberg.merge.straddling_rows import OutsideRows
from influx_lake.iceberg.merge.time_buckets import TimeSlices
from influx_lake.iceberg.merge.written_rows import WrittenRows, layout_of, read_written
from influx_lake.iceberg.scan.planning import files_of
from influx_lake.iceberg.scan.reader import arrow_schema, conform, read_tasks
from influx_lake.iceberg.scan.time_filter import TimeFilter
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_rows import WindowRows
from influx_lake.iceberg.writer.writer import write_files

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the table held for the window.

    Attributes:
        held: How many rows.
        rows: How many of them have points that do not come.
        files: The files of those.
        others: How many rows go that have other tags than those that come in their place.
    """

    held: int
    rows: int
    files: tuple[DataFile, ...]
    others: int = 0


@dataclass(slots=True)
class Overlay:
    """Adds files with the rows that come, and keeps the rows of the window whose points do not.

    Only the columns that tell points apart are read of the window's files, and the whole of those rows that are kept.

    Attributes:
        load: The load of the window.
        table: The table as the files were written for it.
        files: The files that hold the rows that come.
        seen: What is known of these rows.
        points: Their points.
        other: Their points by all of their tags.
    """

    load: WindowLoad
    table: Table
    files: list[DataFile]
    seen: WindowRows
    points: PointsAside
    other: OtherPoints
    _merge: Merge | None = None
    _kept: dict[frozenset[str], _Kept] = field(default_factory=dict)
    _outside: OutsideRows = field(init=False)
    _rows: WrittenRows = field(init=False)

    def __post_init__(self) -> None:
        self._rows = WrittenRows(self.load.target, self.table, self.files)
        self._outside = OutsideRows(self.load.target, self.load.window)

    def plan(self, table: Table) -> Change:
        """Remove the window's files that hold times of the rows; add those of the rows, and of what is kept."""
        with catalog_errors(f"plan the upsert of {self.load.window} into {self.load.target.name}"):
            found = files_of(table, self.load.window, self._time)
        touched, untouched = touched_by(table, found, self._time, self.seen.first_us, self.seen.last_us)
        outside = [self._outside.of(table, task) for task in touched if task in found.straddling]
        kept = self._keep(table, touched) if self.files else _Kept(0, 0, ())
        if not self.points.differ:
            return self._merged(table)
        left = sum(task.file.record_count for task in untouched)
        return Change(
            removed=tuple(task.file for task in touched),
            added=(*self._rows.of(table), *kept.files, *(file for part in outside for file in part.files)),
            rows=self.seen.rows + kept.rows + left,
            previous_rows=kept.held + left,
            coverage=table_state(table).coverage.adding(self.load.complete),
            notes={KEPT_ROWS: str(kept.rows + left), **replaced_others(kept.others)},
        )

    def written(self) -> list[DataFile]:
        """The files of the rows, of those that are kept, and of those outside the window."""
        kept = (file for part in self._kept.values() for file in part.files)
        return [*self._rows.written(), *kept, *self._outside.written(), *(self._merge.written() if self._merge else ())]

    def close(self) -> None:
        """Delete what was kept aside."""
        self.points.close()
        self.other.close()
        if self._merge is not None:
            self._merge.close()

    def _keep(self, table: Table, tasks: list[FileScanTask]) -> _Kept:
        files = (file for task in tasks for file in (task.file, *task.delete_files))
        state = frozenset([layout_of(table), *(file.file_path for file in files)])
        if state not in self._kept:
            held = others = 0
            # The tags that the key leaves out are read to tell how many rows of other points go.
            columns = table.schema().select(*self.points.key.all, *self.points.key.tags)

            def points() -> Iterator[pa.RecordBatch]:
                nonlocal held, others
                for batch in self._read(table, tasks, [self.load.window], columns):
                    held += len(batch)
                    others += self.other.replaced(batch, self.points)
                    yield batch

            stretches = self.points.lacking_times(points())
            windows = [Window(EPOCH + start * MICROSECOND, EPOCH + end * MICROSECOND) for start, end in stretches]
            written = self._write_lacking(table, tasks, windows) if windows and self.points.differ else []
            self._kept[state] = _Kept(held, sum(file.record_count for file in written), tuple(written), others)
        return self._kept[state]

    def _write_lacking(self, table: Table, tasks: list[FileScanTask], windows: list[Window]) -> list[DataFile]:
        schema = self.points.key.encoded(arrow_schema(table.schema()))
        batches = (conform(batch, schema) for batch in self._read(table, tasks, windows, table.schema()))
        if self.points.in_memory:
            return write_files(table, self.load.target, self.points.lacking(batches), schema)
        times = (batch.column(0) for batch in self._read(table, tasks, windows, table.schema().select(self._time)))
        rows = Arriving(batches, TimesAhead.of(times))
        with closing(TimeSlices(schema, self._time, self.load.window.start_us, self.load.window.end_us)) as slices:
            return write_files(table, self.load.target, self.points.lacking(slices.ordered(rows)), schema)

    def _read(
        self, table: Table, tasks: list[FileScanTask], windows: list[Window], columns: Schema
    ) -> Iterator[pa.RecordBatch]:
        text = self.points.key.text_of(arrow_schema(table.schema()))
        return read_tasks(table, tasks, TimeFilter.of(windows, self._time), columns, text)

    def _merged(self, table: Table) -> Change:
        """Compare whole rows instead: of points that come twice the last has to be found."""
        if self._merge is None:
            schema = arrow_schema(self.table.schema())
            self._merge = Merge(self.load, schema, self.points.key)
            self._merge.take(read_written(self.table, self.files))
        return self._merge.plan(table)

    @property
    def _time(self) -> str:
        return self.load.target.time_column
