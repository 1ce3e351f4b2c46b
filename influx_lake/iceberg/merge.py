"""Lays the rows of a window over those that the table holds: new values win, points that do not come stay."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.windows import Window
from influx_lake.iceberg.change import Change
from influx_lake.iceberg.coverage import Coverage
from influx_lake.iceberg.outside_rows import OutsideRows
from influx_lake.iceberg.point_join import join_points
from influx_lake.iceberg.point_key import PointKey
from influx_lake.iceberg.reader import arrow_schema, conform, read_tasks
from influx_lake.iceberg.schema import file_schema, to_file
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.time_slices import TimeSlices, pairs
from influx_lake.iceberg.translation import catalog_errors
from influx_lake.iceberg.window_files import WindowFiles, files_of, in_windows, time_bounds
from influx_lake.iceberg.writer import write_files

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table


@dataclass(slots=True)
class _Outcome:
    """What a join came to.

    Attributes:
        held: How many rows the joined files held for the window.
        rows: How many rows there are of both.
        kept: How many of them did not come.
        files: The files that hold them.
    """

    held: int = 0
    rows: int = 0
    kept: int = 0
    files: tuple[DataFile, ...] = ()


@dataclass(slots=True)
class Merge:
    """Lays rows over those of a window, again whenever somebody else changed the window's files.

    The rows that come are kept aside until the commit took place, the larger sets of them on disk.

    Attributes:
        target: The table.
        window: The window.
        loaded: What of it is complete, and recorded as loaded; None when nothing of it is.
        schema: The table's schema when the rows came, as they are read.
        key: What tells points apart.
        merge_fields: Let a null that comes keep the value that is there.
        approve: Told how many rows come and how many are there, before each try; raises to stop.
    """

    target: TableTarget
    window: Window
    loaded: Window | None
    schema: pa.Schema
    key: PointKey
    merge_fields: bool = False
    approve: Callable[[int, int], None] = lambda rows, previous_rows: None
    _folder: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="influx-lake-merge-")
    )
    _coming: TimeSlices = field(init=False)
    _first_us: int | None = None
    _last_us: int | None = None
    _rows: int = 0
    _outside: OutsideRows = field(init=False)
    _joined: dict[frozenset[str], _Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._coming = self._slices(self.schema)
        self._outside = OutsideRows(self.target, self.window)

    def take(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Keep rows of the table's schema, to be laid over the window's."""
        from pyarrow.compute import min_max

        for batch in batches:
            ends = min_max(batch.column(self.target.time_column).cast(pa.int64())).as_py()
            self._first_us = ends["min"] if self._first_us is None else min(self._first_us, ends["min"])
            self._last_us = ends["max"] if self._last_us is None else max(self._last_us, ends["max"])
            self._rows += len(batch)
            self._coming.add(batch)

    def plan(self, table: Table) -> Change:
        """Remove the window's files that hold times of the rows, and add files with the rows of both."""
        with catalog_errors(f"plan the merge of {self.window} into {self.target.name}"):
            found = files_of(table, self.window, self.target.time_column)
            touched, untouched = touched_by(table, found, self._time, self._first_us, self._last_us)
            outside = [self._outside.of(table, task) for task in touched if task in found.straddling]
        outcome = self._join(table, touched) if self._rows else _Outcome()
        self.approve(self._rows, outcome.held)
        left = sum(task.file.record_count for task in untouched)
        return Change(
            removed=tuple(task.file for task in touched),
            added=(*outcome.files, *(file for part in outside for file in part.files)),
            rows=outcome.rows + left,
            previous_rows=outcome.held + left,
            coverage=Coverage.of(table).adding(self.loaded),
            notes={"influx-lake.kept-rows": str(outcome.kept + left)},
        )

    def written(self) -> list[DataFile]:
        """The files of every join, and of the rows that lie outside the window."""
        return [*(file for outcome in self._joined.values() for file in outcome.files), *self._outside.written()]

    def close(self) -> None:
        """Delete what was kept aside."""
        self._coming.close()
        self._folder.cleanup()

    def _join(self, table: Table, tasks: list[FileScanTask]) -> _Outcome:
        schema = arrow_schema(table.schema())
        state = frozenset(
            [str(table.schema().schema_id)]
            + [file.file_path for task in tasks for file in (task.file, *task.delete_files)]
        )
        if state not in self._joined:
            outcome = _Outcome()
            with closing(self._slices(schema)) as held:
                for batch in read_tasks(table, tasks, in_windows([self.window], table, self._time), table.schema()):
                    held.add(conform(batch, schema))
                    outcome.held += len(batch)
                batches = self._laid_over(held, outcome)
                outcome.files = tuple(write_files(table, self.target, batches, schema))
            self._joined[state] = outcome
        return self._joined[state]

    def _laid_over(self, held: TimeSlices, outcome: _Outcome) -> Iterator[pa.RecordBatch]:
        for coming, there in pairs(self._coming, held):
            joined = join_points(_padded(coming, held.schema), there, self.key, merge_fields=self.merge_fields)
            outcome.rows += len(joined.rows)
            outcome.kept += joined.kept
            yield from joined.rows.to_batches()

    @property
    def _time(self) -> str:
        return self.target.time_column

    def _slices(self, schema: pa.Schema) -> TimeSlices:
        return TimeSlices(schema, self._time, self.window.start_us, self.window.end_us, Path(self._folder.name))


def touched_by(
    table: Table, found: WindowFiles, time_column: str, first_us: int | None, last_us: int | None
) -> tuple[list[FileScanTask], list[FileScanTask]]:
    """The files of a window that may hold points of a stretch of time, and those that do not."""
    if first_us is None or last_us is None:
        return [], [*found.inside, *found.straddling]
    time_id = table.schema().find_field(time_column).field_id
    touched = list(found.straddling)
    untouched: list[FileScanTask] = []
    for task in found.inside:
        bounds = time_bounds(task.file, time_id)
        apart = bounds is not None and (bounds[1] < first_us or bounds[0] > last_us)
        (untouched if apart else touched).append(task)
    return touched, untouched


def as_read(batches: Iterable[pa.RecordBatch], table: Table) -> Iterator[pa.RecordBatch]:
    """Rows as they come, in the columns and types that the table's rows are read with.

    Raises:
        DataRefused: A value does not fit its column exactly.
    """
    stored, schema = file_schema(table.schema(), pa.schema([])), arrow_schema(table.schema())
    for batch in batches:
        columns = to_file([batch], table.schema(), stored).columns
        yield from pa.Table.from_arrays(columns, schema=schema).to_batches()


def read_written(table: Table, files: Iterable[DataFile]) -> Iterator[pa.RecordBatch]:
    """The rows of files that were written for a table and are not part of it yet, as the table's are read."""
    from pyarrow.parquet import ParquetFile

    schema = arrow_schema(table.schema())
    with catalog_errors(f"read files of {'.'.join(table.name())}"):
        for file in files:
            with table.io.new_input(file.file_path).open() as stream:
                for batch in ParquetFile(stream).iter_batches():
                    # Files have the table's columns in its order, under names that Parquet allows.
                    columns = [column.cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)]
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _padded(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows in the columns of a schema that others may have widened since."""
    if rows.schema == schema:
        return rows
    columns = [
        rows.column(field.name).cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
