"""Copy-on-write merge of a window: loaded values win, points that were not loaded stay."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.schema import file_schema, to_file
from influx_lake.iceberg.commit.commit_plan import KEPT_ROWS, Change
from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.merge.key_set import DisplacedRows, KeySet
from influx_lake.iceberg.merge.merge_join import MergeJoin
from influx_lake.iceberg.merge.point_key import PointKey
from influx_lake.iceberg.merge.straddling_rows import StraddlingRows
from influx_lake.iceberg.merge.written_rows import layout_of, padded
from influx_lake.iceberg.scan.planning import WindowFiles, files_of, touched_by
from influx_lake.iceberg.scan.reader import arrow_schema, conform, count_rows, read_tasks
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.writer.writer import write_files
from influx_lake.row_buffer import RowBuffer

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table

log = logging.getLogger("influx_lake.iceberg")

REPLACED_OTHERS = "influx-lake.replaced-others"
"""The property of a snapshot's summary: the number of rows that were replaced by rows with other tags."""


@dataclass(slots=True)
class Outcome:
    """The result of a join.

    Attributes:
        held: Rows of the window in the joined files.
        rows: Rows of the join.
        kept: Rows of the join that were not loaded.
        files: The files of the join.
        others: Rows that were replaced by rows with other tags.
    """

    held: int = 0
    others: int = 0
    rows: int = 0
    kept: int = 0
    files: tuple[DataFile, ...] = ()


@dataclass(slots=True)
class Merge:
    """Plans the join of loaded rows with those of a window, anew whenever another writer changed the window's files.

    The loaded rows are buffered until the commit, on disk where they are many.

    Attributes:
        load: The load of the window.
        schema: The table's schema when the rows were mapped to it, as they are read.
        key: The key of the points.
        merge_fields: Whether a loaded null keeps the table's value.
    """

    load: WindowLoad
    schema: pa.Schema
    key: PointKey
    merge_fields: bool = False
    _coming: RowBuffer = field(init=False)
    _points: KeySet = field(init=False)
    _other: DisplacedRows = field(init=False)
    _first_us: int | None = None
    _last_us: int | None = None
    _rows: int = 0
    _outside: StraddlingRows = field(init=False)
    _joined: dict[frozenset[str], Outcome] = field(default_factory=dict)
    _reading: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self._coming = RowBuffer(self.key.encoded(self.schema))
        self._points = KeySet(self.key, self.load.window)
        self._other = DisplacedRows(self.key, self.load.window)
        self._outside = StraddlingRows(self.load.target, self.load.window)

    def take(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Buffer the loaded rows, in the table's schema."""
        from pyarrow.compute import min_max

        conformed = (conform(batch, self._coming.schema) for batch in batches)
        for batch in self._other.record(self._points.record(conformed)):
            ends = min_max(batch.column(self._time).cast(pa.int64())).as_py()
            self._first_us = ends["min"] if self._first_us is None else min(self._first_us, ends["min"])
            self._last_us = ends["max"] if self._last_us is None else max(self._last_us, ends["max"])
            self._rows += len(batch)
            self._coming.add(batch)

    def plan(self, table: Table) -> Change:
        """Replace the window's files that overlap the loaded rows in time by files of the join."""
        with catalog_errors(f"plan the merge of {self.load.window} into {self.load.target.name}"):
            found = files_of(table, self.load.window, self._time)
            touched, untouched = touched_by(table, found, self._time, self._first_us, self._last_us)
            outside = [self._outside.of(table, task) for task in touched if task in found.straddling]
        outcome = self._join(table, touched) if self._rows else Outcome()
        left = held_by(table, untouched, found, self.load)
        return Change(
            removed=tuple(task.file for task in touched),
            added=(*outcome.files, *(file for part in outside for file in part.files)),
            rows=outcome.rows + left,
            previous_rows=outcome.held + left,
            coverage=table_state(table).coverage.adding(self.load.complete),
            notes={KEPT_ROWS: str(outcome.kept + left), **replaced_others(outcome.others)},
        )

    def written(self) -> list[DataFile]:
        """The files of every join, and of rows outside the window."""
        return [*(file for outcome in self._joined.values() for file in outcome.files), *self._outside.written()]

    def close(self) -> None:
        """Delete the buffered rows, and close files that were not read to their end."""
        self._reading.close()
        self._coming.close()
        self._points.close()
        self._other.close()

    def _join(self, table: Table, tasks: list[FileScanTask]) -> Outcome:
        state = frozenset(
            [layout_of(table)] + [file.file_path for task in tasks for file in (task.file, *task.delete_files)]
        )
        if state not in self._joined:
            outcome = Outcome()
            schema = self.key.encoded(arrow_schema(table.schema()))
            joining = MergeJoin(self._points, self.load.window, schema, self.merge_fields)
            coming = (padded(batch, schema) for batch in self._coming.read())
            held = self._held(table, tasks, schema, outcome)
            rows = joining.join(coming, held, lambda: self._held_times(table, tasks))
            outcome.files = tuple(write_files(table, self.load.target, rows, schema))
            outcome.rows, outcome.kept = sum(file.record_count for file in outcome.files), joining.kept
            self._joined[state] = outcome
        return self._joined[state]

    def _held(
        self, table: Table, tasks: list[FileScanTask], schema: pa.Schema, outcome: Outcome
    ) -> Iterator[pa.RecordBatch]:
        text = self.key.text_of(arrow_schema(table.schema()))
        for batch in self._read(table, tasks, table.schema(), text):
            outcome.held += len(batch)
            outcome.others += self._other.replaced(batch, self._points)
            yield conform(batch, schema)

    def _held_times(self, table: Table, tasks: list[FileScanTask]) -> Iterator[pa.Array]:
        return (batch.column(0) for batch in self._read(table, tasks, table.schema().select(self._time)))

    def _read(
        self, table: Table, tasks: list[FileScanTask], columns: Schema, text: tuple[str, ...] = ()
    ) -> Iterator[pa.RecordBatch]:
        wanted = RowFilter.of([self.load.window], table, self._time)
        return self._reading.enter_context(closing(read_tasks(table, tasks, wanted, columns, text)))

    @property
    def _time(self) -> str:
        return self.load.target.time_column


def joins_whole_rows(target: TableTarget) -> bool:
    """Whether an upsert needs the rows in the order of the source: their files are then written anew."""
    return bool(target.write.merge_fields or target.write.sort_by)


def replaced_others(count: int) -> dict[str, str]:
    """The note of a snapshot about rows that were replaced by rows with other tags, which `write.key` leaves out."""
    return {REPLACED_OTHERS: str(count)} if count else {}


def log_replaced(notes: Mapping[str, str], target: TableTarget, window: Window) -> None:
    """Warn of such rows, after the commit."""
    if count := notes.get(REPLACED_OTHERS):
        left_out = ", ".join(tag for tag in target.tags or () if tag not in target.key)
        log.warning(
            "%s, %s: rows of the table that were replaced by points with other tags: %s. write.key, %s, leaves out %s: "
            "add those that identify points which have to be kept beside each other",
            target.name,
            window,
            f"{int(count):,}",
            ", ".join(target.key),
            left_out,
        )


def held_by(table: Table, untouched: list[FileScanTask], found: WindowFiles, load: WindowLoad) -> int:
    """The rows of a window in files that stay as they are; those of straddling files are counted by reading."""
    if all(task not in found.straddling for task in untouched):
        return sum(task.file.record_count for task in untouched)
    return count_rows(table, load.window, load.target.time_column)


def as_read(batches: Iterable[pa.RecordBatch], table: Table) -> Iterator[pa.RecordBatch]:
    """Cast batches to the table's columns and the types of its files; dictionaries stay.

    Raises:
        DataRefused: A value does not fit its column exactly.
    """
    names, stored = arrow_schema(table.schema()).names, None
    for batch in batches:
        stored = stored or file_schema(table.schema(), batch.schema)
        yield from to_file([batch], table.schema(), stored).rename_columns(names).to_batches()
