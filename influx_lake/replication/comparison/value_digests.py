"""Compares windows of source and lake value by value, by digests of each column.

The source's rows are shaped and mapped to the table as by a load, and digested batch by batch; so are the table's.
Memory does not depend on the size of a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.digests import KEY, Digest, RowDigester, combined
from influx_lake.config import Measurement, Nanoseconds, TypeOptions
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.known_columns import actual, remembered
from influx_lake.iceberg.columns.row_mapping import Shape
from influx_lake.iceberg.columns.timestamps import FineTimesMet
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.staging.staged import stage
from influx_lake.iceberg.target import TableTarget
from influx_lake.replication.removed.erased import without_erased_from
from influx_lake.replication.table_columns import table_target
from influx_lake.sources.protocol import Source
from influx_lake.transforms import transformed

if TYPE_CHECKING:
    from pyiceberg.table import Table

_NO_DIGEST = Digest(values=-1)
"""The digest of a column with values that loads cannot have written: no other digest equals it."""


@dataclass(frozen=True, slots=True)
class WindowDigests:
    """The digests of a window on one side.

    Attributes:
        rows: How many rows it has.
        columns: The digest of each column that has values, by its name in the table.
        key: The digest of the rows' keys: time, and the columns that tell rows of one time apart.
    """

    rows: int
    columns: dict[str, Digest]
    key: Digest

    @property
    def whole(self) -> Digest:
        """The digests combined into one."""
        return combined(self.key, self.columns)


@dataclass(frozen=True, slots=True)
class ValueComparison:
    """The result of comparing a window value by value.

    Attributes:
        differing: The columns whose values differ in any bit; the key columns where the points differ.
        lake: The lake's digests of the window.
        snapshot_id: The snapshot of the table that was read; None: the table has none.
        key: The key columns.
        left_out: Columns with values in the window that were not compared: they change with each load, or other writers
            added them.
        beside: Columns that loads write, that have values in the window, and that the source does not have.
        unlike: Columns with a type in the table that loads do not write.
    """

    differing: tuple[str, ...]
    lake: WindowDigests
    snapshot_id: int | None
    key: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()


def compare_values(
    source: Source, table: Table, measurement: Measurement, windows: Sequence[Window]
) -> list[ValueComparison]:
    """Compare windows value by value.

    Columns that differ from load to load are not compared, nor rows that belong in the quarantine.

    Args:
        source: The measurement's source.
        table: Its table, under the names that loads know.
        measurement: The measurement.
        windows: The windows.

    Raises:
        LakeError: Source or lake cannot be read, or the source's rows do not fit the table.
    """
    measurement = without_erased_from(measurement, table)
    source = transformed(source, measurement)
    schema = source.schema(measurement.name)
    target = table_target(measurement, schema)
    snapshot, ids = table.current_snapshot(), remembered(table) or {}
    found = []
    for window in windows:
        try:
            theirs, types = source_digests(source, table, target, schema, window)
        except FineTimesMet:
            # The next load gives the table a column for them.
            target = replace(target, with_nanoseconds=True)
            theirs, types = source_digests(source, table, target, schema, window)
        ours = lake_digests(table, target, types, window)
        key = [] if theirs.key == ours.digests.key else key_of(target, types)
        # Values are digested with the key of their row: where points differ, all columns would.
        others = [] if key else [name for name in types if theirs.columns.get(name) != ours.digests.columns.get(name)]
        changing = {column.name for column in schema.columns if not column.is_compared}
        found.append(
            ValueComparison(
                (*key, *others),
                ours.digests,
                snapshot.snapshot_id if snapshot else None,
                tuple(key_of(target, types)),
                tuple(name for name in ours.others if name in changing or (ids and name not in ids)),
                tuple(name for name in ours.others if name not in changing and (not ids or name in ids)),
                ours.unlike,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class LakeWindow:
    """The digests of a window in the lake.

    Attributes:
        digests: The digests of the columns that were asked for.
        others: The other columns of the table that have values.
        unlike: The columns that had to be cast to the types that loads give them.
    """

    digests: WindowDigests
    others: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()


def source_digests(
    source: Source, table: Table, target: TableTarget, schema: MeasurementSchema, window: Window
) -> tuple[WindowDigests, dict[str, pa.DataType]]:
    """The digests of a window in the source, in the table's columns; and these columns with the types that loads give
    them.
    """
    with source.read(schema, window) as rows:
        shape = stage(actual(table), rows.schema, target).shape
        types = compared_types(shape, schema)
        return loaded_digests(rows, shape, target, types), types


def compared_types(shape: Shape, schema: MeasurementSchema) -> dict[str, pa.DataType]:
    """The columns that a load fills with the same values each time, with the types that it gives them."""
    not_compared = {column.name for column in schema.columns if not column.is_compared}
    return {column.name: column.type for column in shape.columns if column.source not in not_compared}


def loaded_digests(
    rows: Iterable[pa.RecordBatch], shape: Shape, target: TableTarget, types: Mapping[str, pa.DataType]
) -> WindowDigests:
    """The digests of a source's rows in the table's columns, as a load maps them; rows for the quarantine are left out.

    Args:
        rows: The rows.
        shape: How they are mapped to the table.
        target: The table.
        types: The columns to digest.
    """
    digester = RowDigester(key_of(target, types))
    for batch in rows:
        mapped = shape.apply(fitting(batch, shape)).select(list(types))
        digester.add(finer_times(mapped, target.time_column, target.types))
    return _digests(digester)


def stored_digests(
    rows: Iterable[pa.RecordBatch], target: TableTarget, types: Mapping[str, pa.DataType]
) -> WindowDigests:
    """The digests of stored rows, in the types that loads give the columns.

    Args:
        rows: The rows, as they are read from data files.
        target: The table.
        types: The columns to digest.
    """
    digester, refused, unlike = RowDigester(key_of(target, types)), set[str](), set[str]()
    for batch in rows:
        digester.add(in_types(finer_times(batch, target.time_column, target.types), types, refused, unlike))
    return _digests(digester, refused)


def lake_digests(table: Table, target: TableTarget, types: Mapping[str, pa.DataType], window: Window) -> LakeWindow:
    """The digests of a window in the table.

    Args:
        table: The table, under the names that loads know.
        target: The `TableTarget` of its loads.
        types: The columns, with the types that loads give them.
        window: The window.
    """
    names = [field.name for field in table.schema().fields]
    texts = tuple(name for name in names if name in types and _is_text(types[name]))
    digester, refused = RowDigester(key_of(target, types)), set[str]()
    others, unlike = dict.fromkeys((name for name in names if name not in types), 0), set[str]()
    for batch in read_windows(table, [window], target.time_column, names, encoded=texts):
        for name in others:
            values = batch.column(name)
            others[name] += len(values) - values.null_count
        digester.add(in_types(finer_times(batch, target.time_column, target.types), types, refused, unlike))
    with_values = tuple(name for name, count in others.items() if count)
    return LakeWindow(_digests(digester, refused), with_values, tuple(sorted(unlike)))


def key_of(target: TableTarget, types: Mapping[str, pa.DataType]) -> list[str]:
    """The key columns, as far as the rows have them."""
    times = (target.time_column, target.types.nanoseconds_column)
    return [name for name in dict.fromkeys((*times, *target.key)) if name in types]


def finer_times(batch: pa.RecordBatch, time_column: str, options: TypeOptions) -> pa.RecordBatch:
    """Rows without their column of nanoseconds where it says no more than the time column, so that rows loaded before
    and after the table got that column digest alike.

    Args:
        batch: The rows, of either side.
        time_column: The name of the time column.
        options: How times are stored.
    """
    place = batch.schema.get_field_index(options.nanoseconds_column)
    if options.nanoseconds is not Nanoseconds.KEEP or place < 0:
        return batch
    times, whole = batch.column(time_column), batch.column(place)
    exact = pc.multiply(times.cast(pa.timestamp("us", times.type.tz)).cast(pa.int64()), 1000)
    fine = pc.if_else(pc.equal(whole, exact), pa.scalar(None, whole.type), whole)
    return batch.set_column(place, batch.schema.field(place), fine)


def fitting(batch: pa.RecordBatch, shape: Shape) -> pa.RecordBatch:
    """The rows that the table takes, without those that a load would put into quarantine."""
    for misfit in shape.misfits:
        batch = batch.filter(pc.is_null(batch.column(misfit.column)))
    return batch


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind))


def in_types(
    batch: pa.RecordBatch, types: Mapping[str, pa.DataType], refused: set[str], unlike: set[str]
) -> pa.RecordBatch:
    """Rows of the table, cast to the types that loads give the columns.

    Args:
        batch: The rows.
        types: The columns; one that the table lacks has nothing but null.
        refused: Receives the columns with values that loads cannot have written; these are null in the result.
        unlike: Receives the columns whose values had to be cast.
    """
    arrays = []
    for name, kind in types.items():
        place = batch.schema.get_field_index(name)
        values = batch.column(place) if place >= 0 else pa.nulls(len(batch), kind)
        if values.type != kind and not pa.types.is_dictionary(values.type):
            if place >= 0 and not (_is_text(kind) and pa.types.is_large_string(values.type)):
                unlike.add(name)
            try:
                values = values.cast(kind)
            except pa.ArrowInvalid:
                refused.add(name)
                values = pa.nulls(len(batch), kind)
        arrays.append(values)
    return pa.RecordBatch.from_arrays(arrays, names=list(types))


def _digests(digester: RowDigester, unlike: Iterable[str] = ()) -> WindowDigests:
    found = dict(digester.digests)
    key = found.pop(KEY, Digest())
    there = {name: digest for name, digest in found.items() if digest.values}
    return WindowDigests(key.values, {**there, **dict.fromkeys(unlike, _NO_DIGEST)}, key)
