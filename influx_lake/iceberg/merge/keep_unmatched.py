"""Merge without rewriting loaded files: adds them beside the window's rows whose points were not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.windows import EPOCH, MICROSECOND, Window
from influx_lake.iceberg.commit.commit_plan import KEPT_ROWS, Change
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.merge.copy_on_write import Merge, held_by, replaced_others
from influx_lake.iceberg.merge.field_merge import FieldMerge
from influx_lake.iceberg.merge.key_set import DisplacedRows, KeySet
from influx_lake.iceberg.merge.lookahead_stream import LookaheadStream, RemainingTimes
from influx_lake.iceberg.merge.straddling_rows import StraddlingRows
from influx_lake.iceberg.merge.time_buckets import TimeBuckets
from influx_lake.iceberg.merge.written_rows import WrittenRows, layout_of
from influx_lake.iceberg.scan.planning import files_of, touched_by
from influx_lake.iceberg.scan.reader import arrow_schema, conform, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_rows import WindowStatistics
from influx_lake.iceberg.writer.writer import write_files

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table


@dataclass(frozen=True, slots=True)
class _Kept:
    """The kept rows of the table's files.

    Attributes:
        held: Rows of the window in these files.
        rows: Those of them that are kept: their keys were not loaded.
        files: The files of the kept rows.
        others: Rows that were replaced by rows with other tags.
    """

    held: int
    rows: int
    files: tuple[DataFile, ...]
    others: int = 0


@dataclass(slots=True)
class KeepUnmatched:
    """Plans the files of the loaded rows beside the unmatched rows of the window: those whose keys were not loaded.

    Only the key columns of the window's files are read, and all columns of the unmatched rows.

    Attributes:
        load: The load of the window.
        table: The table that the rows were mapped to.
        written_rows: The files of the loaded rows.
        statistics: The statistics of the loaded rows.
        points: The keys of the loaded rows.
        other: Their keys by all of their tags.
        fields: Gave them the table's values instead of their nulls; None: nulls win.
    """

    load: WindowLoad
    table: Table
    written_rows: WrittenRows
    statistics: WindowStatistics
    points: KeySet
    other: DisplacedRows
    fields: FieldMerge | None = None
    _merge: Merge | None = None
    _kept: dict[frozenset[str], _Kept] = field(default_factory=dict)
    _reading: ExitStack = field(default_factory=ExitStack)
    _outside: StraddlingRows = field(init=False)

    def __post_init__(self) -> None:
        self._outside = StraddlingRows(self.load.target, self.load.window)

    def plan(self, table: Table) -> Change:
        """Replace the window's files that overlap the loaded rows in time by those of loaded and of unmatched rows."""
        with catalog_errors(f"plan the upsert of {self.load.window} into {self.load.target.name}"):
            found = files_of(table, self.load.window, self._time)
        touched, untouched = touched_by(table, found, self._time, self.statistics.first_us, self.statistics.last_us)
        if self.fields is not None and not self.fields.is_of(table, touched, self.statistics):
            return self._merged(table)
        outside = [self._outside.of(table, task) for task in touched if task in found.straddling]
        kept = self._keep(table, touched) if not self.written_rows.empty else _Kept(0, 0, ())
        if not self.points.distinct:
            return self._merged(table)
        left = held_by(table, untouched, found, self.load)
        return Change(
            removed=tuple(task.file for task in touched),
            added=(*self.written_rows.of(table), *kept.files, *(file for part in outside for file in part.files)),
            rows=self.statistics.rows + kept.rows + left,
            previous_rows=kept.held + left,
            coverage=table_state(table).coverage.adding(self.load.complete),
            notes={KEPT_ROWS: str(kept.rows + left), **replaced_others(kept.others)},
        )

    def written(self) -> list[DataFile]:
        """The files of the loaded rows, of the unmatched ones, and of those outside the window."""
        kept = (file for part in self._kept.values() for file in part.files)
        return [
            *self.written_rows.written(),
            *kept,
            *self._outside.written(),
            *(self._merge.written() if self._merge else ()),
        ]

    def close(self) -> None:
        """Delete what was buffered, and close files that were not read to their end."""
        self._reading.close()
        self.points.close()
        self.other.close()
        if self._merge is not None:
            self._merge.close()

    def _keep(self, table: Table, tasks: list[FileScanTask]) -> _Kept:
        files = (file for task in tasks for file in (task.file, *task.delete_files))
        state = frozenset([layout_of(table), *(file.file_path for file in files)])
        if state not in self._kept:
            self._kept[state] = self._told(table, tasks) if self._is_told else self._compared(table, tasks)
        return self._kept[state]

    @property
    def _is_told(self) -> bool:
        """Whether it is known of each row of the files if its key was loaded."""
        return self.fields is not None and not self.points.key.tags

    def _told(self, table: Table, tasks: list[FileScanTask]) -> _Kept:
        assert self.fields is not None
        if not self.points.distinct:
            return _Kept(0, 0, ())
        schema = self.points.key.encoded(arrow_schema(table.schema()))
        rows = self.fields.held.unmatched((task.file.file_path for task in tasks), schema)
        written = write_files(table, self.load.target, rows, schema)
        held = self.fields.held.rows
        return _Kept(held, sum(file.record_count for file in written), tuple(written))

    def _compared(self, table: Table, tasks: list[FileScanTask]) -> _Kept:
        held = others = 0
        # The tags that the key leaves out are read to count rows that are replaced by rows with other tags.
        columns = table.schema().select(*self.points.key.all, *self.points.key.tags)

        def points() -> Iterator[pa.RecordBatch]:
            nonlocal held, others
            for batch in self._read(table, tasks, [self.load.window], columns):
                held += len(batch)
                others += self.other.replaced(batch, self.points)
                yield batch

        stretches = self.points.unmatched_times(points())
        windows = [Window(EPOCH + start * MICROSECOND, EPOCH + end * MICROSECOND) for start, end in stretches]
        written = self._write_unmatched(table, tasks, windows) if windows and self.points.distinct else []
        return _Kept(held, sum(file.record_count for file in written), tuple(written), others)

    def _write_unmatched(self, table: Table, tasks: list[FileScanTask], windows: list[Window]) -> list[DataFile]:
        schema = self.points.key.encoded(arrow_schema(table.schema()))
        batches = (conform(batch, schema) for batch in self._read(table, tasks, windows, table.schema()))
        if self.points.in_memory:
            return write_files(table, self.load.target, self.points.filter_unmatched(batches), schema)
        times = (batch.column(0) for batch in self._read(table, tasks, windows, table.schema().select(self._time)))
        rows = LookaheadStream(batches, RemainingTimes.of(times))
        with closing(TimeBuckets(schema, self._time, self.load.window.start_us, self.load.window.end_us)) as slices:
            return write_files(table, self.load.target, self.points.filter_unmatched(slices.ordered(rows)), schema)

    def _read(
        self, table: Table, tasks: list[FileScanTask], windows: list[Window], columns: Schema
    ) -> Iterator[pa.RecordBatch]:
        text = self.points.key.text_of(arrow_schema(table.schema()))
        wanted = RowFilter.of(windows, table, self._time)
        return self._reading.enter_context(closing(read_tasks(table, tasks, wanted, columns, text)))

    def _merged(self, table: Table) -> Change:
        """Join whole rows instead: of rows with one key the last has to be found, or the table has other values now."""
        if self._merge is None:
            schema = arrow_schema(self.table.schema())
            self._merge = Merge(self.load, schema, self.points.key, self.fields is not None)
            with closing(self.written_rows.read(schema)) as rows:
                self._merge.take(rows if self.fields is None else self.fields.as_they_came(rows, schema))
        return self._merge.plan(table)

    @property
    def _time(self) -> str:
        return self.load.target.time_column
