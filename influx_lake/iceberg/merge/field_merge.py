"""Nulls of loaded rows replaced by the table's values, as the rows pass through on their way into files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.iceberg.failures.translation import catalog_errors
from influx_lake.iceberg.merge.held_values import HeldValues
from influx_lake.iceberg.merge.key_set import KeySet
from influx_lake.iceberg.merge.time_buckets import TimeBuckets, filled_pairs
from influx_lake.iceberg.merge.written_rows import layout_of
from influx_lake.iceberg.scan.planning import files_of, touched_by
from influx_lake.iceberg.scan.row_filter import RowFilter
from influx_lake.iceberg.spill.sorted_int64_set import Numbers
from influx_lake.iceberg.window_load import WindowLoad
from influx_lake.iceberg.window_rows import WindowStatistics
from influx_lake.row_buffer import RowBuffer

if TYPE_CHECKING:
    from pyiceberg.table import FileScanTask, Table

_NUMBER = "number"
_GIVEN_BYTES = 8 * 2**20
"""How much of what is kept of each row waits in memory."""


class FieldMerge:
    """Gives the nulls of loaded rows the values that the table has for their points.

    The values are those of the table as it is when the first rows come. Should others have changed them by the time of
    the commit, the rows are wanted as they came: so it is kept of each row, in a few bytes, which of its values are not
    its own.

    Args:
        load: The load of the window.
        table: The table, with every column of the rows.
        points: Takes the keys of the rows.
    """

    def __init__(self, load: WindowLoad, table: Table, points: KeySet) -> None:
        self._load = load
        self._table = table
        self._points = points
        time = load.target.time_column
        with catalog_errors(f"plan the upsert of {load.window} into {load.target.name}"):
            self._files = files_of(table, load.window, time)
            wanted = RowFilter.of([load.window], table, time)
            self.held = HeldValues(table, [*self._files.inside, *self._files.straddling], wanted, points)
        self._fields = [name for name in table.schema().column_names if name not in points.key.all]
        # Which values of the rows that were written are the table's, row by row as they came.
        told = pa.schema([(_NUMBER, pa.int64()), *((name, pa.bool_()) for name in self._fields)])
        self._given = RowBuffer(told, _GIVEN_BYTES)
        self._has_given = False
        self._ended = False

    def is_near(self, batch: pa.RecordBatch) -> bool:
        """Whether rows that come as a batch does are merged faster this way than by a join with all of the table's."""
        return self.held.readable and self.held.is_near(self._points.of(batch), len(self._gaps(batch)))

    def merged(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows, their keys recorded, with the table's values instead of their nulls."""
        for batch in batches:
            numbers = self._points.add(batch)
            self._ended = self._ended or not self._points.exact or self.held.is_far
            yield self._merged(batch, numbers) if len(batch) and self.held.blocks else batch

    def is_of(self, table: Table, tasks: Iterable[FileScanTask], rows: WindowStatistics) -> bool:
        """Whether all rows were given the values that a table has for them now.

        Args:
            table: The table.
            tasks: Its files that share times with the rows.
            rows: The statistics of the rows.
        """
        time = self._load.target.time_column
        touched, _ = touched_by(self._table, self._files, time, rows.first_us, rows.last_us)
        return not self._ended and _state(table, tasks) == _state(self._table, touched)

    def as_they_came(self, rows: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Rows that passed through, without the table's values.

        Args:
            rows: All of the rows; those of one point in the order in which they came.
            schema: Their schema.
        """
        if not self._has_given:
            yield from rows
            return
        window, time = self._load.window, self._load.target.time_column
        moments = self._given.schema.append(pa.field(time, pa.timestamp("us")))
        with (
            closing(TimeBuckets(schema, time, window.start_us, window.end_us)) as written,
            closing(TimeBuckets(moments, time, window.start_us, window.end_us)) as given,
        ):
            for batch in rows:
                written.add(batch)
            for batch in self._given.read():
                times = pa.array(self._points.moments_of(np.asarray(batch.column(0)))).cast(pa.timestamp("us"))
                given.add(batch.append_column(time, times))
            for some, told in filled_pairs(written, given):
                yield from self._taken_back(some, told)

    def close(self) -> None:
        """Delete what was kept."""
        self.held.close()
        self._given.close()

    def _merged(self, batch: pa.RecordBatch, numbers: Numbers) -> pa.RecordBatch:
        found = {} if self._ended else self.held.of(numbers, self._gaps(batch))
        rows, given = batch, {}
        for name, values in found.items():
            null = batch.column(name).is_null()
            given[name] = pc.and_(null, _whole(values.is_valid()))
            whole = _whole(pc.coalesce(pa.chunked_array([batch.column(name)]), values.cast(batch.column(name).type)))
            rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), whole)
        self._has_given = self._has_given or bool(given)
        not_given = pa.repeat(False, len(batch))
        masks = [given.get(name, not_given) for name in self._fields]
        self._given.add(pa.RecordBatch.from_arrays([pa.array(numbers), *masks], schema=self._given.schema))
        return rows

    def _taken_back(self, rows: pa.Table, given: pa.Table) -> Iterator[pa.RecordBatch]:
        # Of rows of one point the last counts, and so does what is told of it.
        told = given[_NUMBER].to_numpy()
        order = np.argsort(told, kind="stable")
        numbers = np.concatenate([self._points.of(batch) for batch in rows.to_batches()])
        places = pa.array(order[np.searchsorted(told[order], numbers, side="right") - 1])
        for name in self._fields:
            mask = given[name].take(places)
            if name in rows.column_names and pc.any(mask).as_py():
                own = pc.if_else(mask, pa.scalar(None, rows.schema.field(name).type), rows[name])
                rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), own)
        yield from rows.to_batches()

    def _gaps(self, batch: pa.RecordBatch) -> list[str]:
        return [name for name in self._fields if batch.column(name).null_count]


def _state(table: Table, tasks: Iterable[FileScanTask]) -> tuple[str, frozenset[str]]:
    """What the values of some files depend on."""
    return layout_of(table), frozenset(file.file_path for task in tasks for file in (task.file, *task.delete_files))


def _whole(values: pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
