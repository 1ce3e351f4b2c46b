"""Appends the table's rows that the source no longer has to the source's rows in a load, so that they stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import Column
from influx_lake.config.values.windows import Window
from influx_lake.errors import DataRefused
from influx_lake.iceberg.columns.timestamps import floored
from influx_lake.iceberg.merge.time_buckets import TimeBuckets, filled
from influx_lake.replication.adoption.comparable_rows import ComparableRows, codes, exact
from influx_lake.replication.adoption.lake_side import LakeSide
from influx_lake.replication.changed_values import as_in_source
from influx_lake.sources.protocol import RowStream
from influx_lake.sources.single_use_rows import SingleUseRows


@dataclass(frozen=True, slots=True)
class CarriedRows:
    """The rows of a window that stay.

    Attributes:
        lake: The table that holds them.
        rows: How rows are compared: columns of the key and of the values.
        window: The window.
        keys: The keys of their points; None: every row of the window stays.
        once: Whether exact copies are dropped.
    """

    lake: LakeSide
    rows: ComparableRows
    window: Window
    keys: pa.Table | None
    once: bool = False

    @property
    def copies(self) -> int:
        """The number of rows that are exact copies of another one."""
        every = self._rows(self.keys)
        return sum(len(part) - len(_each_once(part)) for part in self._parts(every))

    def after(self, stream: RowStream) -> RowStream:
        """The source's rows, followed by the rows that stay, without points that the source returns after all.

        The stream has the columns of both; the source's rows are null where it has no such column.

        Raises:
            DataRefused: The rows have columns that cannot be written again.
        """
        self._check_types()
        schema = stream.schema
        for column in self.lake.extra.values():
            schema = schema.append(column)
        return SingleUseRows(schema, self._both(stream, schema))

    def _check_types(self) -> None:
        kept = {name: field.type for name, field in self.lake.extra.items() if pa.types.is_nested(field.type)}
        if kept:
            raise DataRefused(
                "rows that the source no longer has have columns of types that loads do not write: "
                f"{', '.join(map(repr, kept))}; the table is unchanged",
                remedy="Drop these columns from the table, or drop such rows: on_shrink: replace",
            )

    def _both(self, stream: RowStream, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        left = self.keys
        for batch in stream:
            if left is not None and len(left):
                received = pa.Table.from_batches([self.rows.keys_of(batch)])
                left = left.filter(pa.array(~_are_in(left, received)))
            more = [pa.nulls(len(batch), field.type) for field in schema][batch.num_columns :]
            yield pa.RecordBatch.from_arrays([*batch.columns, *more], schema=schema)
        if left is None or len(left):
            yield from self._kept(left, schema)

    def _kept(self, keys: pa.Table | None, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        kept: Iterable[pa.RecordBatch] = self._rows(keys)
        if self.once:
            kept = (batch for part in self._parts(kept) for batch in part.take(_each_once(part)).to_batches())
        return (self._as_loaded(batch, schema) for batch in kept)

    def _rows(self, keys: pa.Table | None) -> Iterator[pa.RecordBatch]:
        """The rows that stay, with the table's columns."""
        for batch in self.lake.whole(self.window):
            kept = batch if keys is None else batch.filter(pa.array(self._mask_of(batch, keys)))
            if len(kept):
                yield kept

    def _parts(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
        """The rows in parts that have no time in common and fit into memory."""
        schema = self.lake.columns
        with closing(TimeBuckets(schema, self.lake.time, self.window.start_us, self.window.end_us)) as buckets:
            for batch in batches:
                buckets.add(batch)
            yield from filled(buckets)

    def _mask_of(self, batch: pa.RecordBatch, keys: pa.Table) -> np.ndarray:
        return _are_in(pa.Table.from_batches([self.rows.keys_of(batch, self._name_in_table)]), keys)

    def _name_in_table(self, name: str) -> str:
        return self.lake.held.get(name, name)

    def _as_loaded(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        extra = {field.name: name for name, field in self.lake.extra.items()}
        columns = {column.name: column for column in self.lake.schema.columns}
        arrays = []
        for field in schema:
            if field.name == self.lake.time:
                values = self._times(batch)
            elif field.name in extra:
                values = batch.column(extra[field.name])
            else:
                values = self._values(batch, columns.get(field.name))
            arrays.append(values.cast(field.type))
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _values(self, batch: pa.RecordBatch, column: Column | None) -> pa.Array:
        if column is None:
            return pa.nulls(len(batch))
        name = self.lake.held.get(column.name)
        if name is None and not column.is_compared and column.name in batch.schema.names:
            # Columns that differ from load to load, such as the run, keep their values.
            return batch.column(column.name)
        return pa.nulls(len(batch)) if name is None else as_in_source(batch.column(name), column.type)

    def _times(self, batch: pa.RecordBatch) -> pa.Array:
        """The rows' times, in nanoseconds where the table has them."""
        cut = floored(self.lake.time, batch.column(self.lake.time), kind=pa.timestamp("us")).cast(pa.timestamp("ns"))
        if self.lake.nanoseconds is None:
            return cut
        whole = batch.column(self.lake.nanoseconds).cast(pa.timestamp("ns"))
        return pc.coalesce(whole, cut)


def _each_once(rows: pa.Table) -> pa.Array:
    """The indices of one row for each set of exact copies."""
    _, first = np.unique(codes([exact(column) for column in rows.columns]), return_index=True)
    return pa.array(np.sort(first))


def _are_in(one: pa.Table, other: pa.Table) -> np.ndarray:
    """Mask of the rows of a table that are among those of another with the same columns."""
    both = pa.concat_tables([one, other])
    numbers = codes([both.column(name) for name in both.column_names])
    return np.isin(numbers[: len(one)], numbers[len(one) :])
