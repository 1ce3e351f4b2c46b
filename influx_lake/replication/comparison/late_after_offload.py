"""Late points of off-loaded windows: rows that the source got after off-loading and the lake lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config import Measurement
from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.errors import MeasurementNotFound
from influx_lake.iceberg.columns.known_columns import actual
from influx_lake.iceberg.columns.timestamps import FineTimesMet
from influx_lake.iceberg.scan.reader import read_windows
from influx_lake.iceberg.staging.staged import stage
from influx_lake.iceberg.target import TableTarget
from influx_lake.replication.comparison.value_digests import finer_times, fitting, in_types, key_of
from influx_lake.replication.table_columns import table_target
from influx_lake.sources.protocol import Source
from influx_lake.sources.window_counts import counts_of

if TYPE_CHECKING:
    from pyiceberg.table import Table

ROWS_AT_ONCE = 50_000
"""How many rows of the source are looked up in one pass over the table's rows of the window."""
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class LatePoints:
    """The rows that a source has of an off-loaded window.

    Attributes:
        rows: The number of rows that the source has.
        missing: How many of them the lake lacks, or has with other values.
    """

    rows: int = 0
    missing: int = 0

    def __add__(self, other: LatePoints) -> LatePoints:
        return LatePoints(self.rows + other.rows, self.missing + other.missing)


def source_counts(
    source: Source, measurement: Measurement, windows: Sequence[Window], vacant: Collection[Window]
) -> list[int]:
    """The source's row count of each window; 0 where the server no longer knows a measurement that was wholly
    off-loaded.

    Args:
        source: The measurement's source, transformed.
        measurement: The measurement.
        windows: The windows.
        vacant: The windows that have no rows in the source as far as the lake knows: off-loaded, or empty in the lake
            too.
    """
    try:
        return counts_of(source, measurement.name, windows)
    except MeasurementNotFound:
        if set(windows) <= set(vacant):
            return [0] * len(windows)
        raise


def late_points(source: Source, table: Table, measurement: Measurement, window: Window) -> LatePoints:
    """Count the rows that a source has of a window, and those of them that the lake lacks. Rows that only the lake has
    do not count, nor values that only the lake has for a point.

    Args:
        source: The measurement's source, transformed.
        table: Its table, under the names that loads know.
        measurement: The measurement.
        window: The window.

    Raises:
        LakeError: Source or lake cannot be read.
    """
    try:
        schema = source.schema(measurement.name)
    except MeasurementNotFound:
        # A server forgets a measurement with its last point.
        return LatePoints()
    target = table_target(measurement, schema)
    try:
        return _found(source, table, target, schema, window)
    except FineTimesMet:
        return _found(source, table, replace(target, with_nanoseconds=True), schema, window)


def _found(source: Source, table: Table, target: TableTarget, schema: MeasurementSchema, window: Window) -> LatePoints:
    found = LatePoints()
    for rows in _rows(source, table, target, schema, window):
        found += LatePoints(len(rows), _missing(rows, table, target, window))
    return found


def _rows(
    source: Source, table: Table, target: TableTarget, schema: MeasurementSchema, window: Window
) -> Iterator[pa.Table]:
    not_compared = {column.name for column in schema.columns if not column.is_compared}
    with source.read(schema, window) as stream:
        shape = stage(actual(table), stream.schema, target).shape
        names = [column.name for column in shape.columns if column.source not in not_compared]
        waiting, count = list[pa.RecordBatch](), 0
        for batch in stream:
            waiting.append(shape.apply(fitting(batch, shape)).select(names))
            count += len(batch)
            if count >= ROWS_AT_ONCE:
                yield pa.Table.from_batches(waiting)
                waiting, count = [], 0
        if waiting:
            yield pa.Table.from_batches(waiting)


def _missing(rows: pa.Table, table: Table, target: TableTarget, window: Window) -> int:
    types = {field.name: field.type for field in rows.schema}
    key = key_of(target, types)
    there = [field.name for field in table.schema().fields if field.name in types]
    times, found = rows.column(target.time_column), dict[Row, list[Row]]()
    values = [name for name in types if name not in key]
    for batch in read_windows(table, [window], target.time_column, there):
        alike = batch.filter(pc.is_in(batch.column(target.time_column), pc.unique(times)))
        if len(alike):
            fine = finer_times(alike, target.time_column, target.types)
            _collect(in_types(fine, types, set(), set()), key, values, found)
    wanted: dict[Row, list[Row]] = {}
    for part in rows.to_batches():
        _collect(finer_times(part, target.time_column, target.types), key, values, wanted)
    return sum(
        not any(_has(one, row) for one in found.get(place, ())) for place, some in wanted.items() for row in some
    )


def _collect(batch: pa.RecordBatch, key: Sequence[str], values: Sequence[str], into: dict[Row, list[Row]]) -> None:
    columns: Mapping[str, list[Any]] = {name: _exact(batch.column(name)) for name in (*key, *values)}
    for place in range(len(batch)):
        row = tuple(columns[name][place] for name in values)
        into.setdefault(tuple(columns[name][place] for name in key), []).append(row)


def _exact(values: pa.Array) -> list[Any]:
    """The values, with floats by their bits."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_float64(values.type):
        return list(values.view(pa.int64()).to_pylist())
    if pa.types.is_timestamp(values.type):
        return list(values.cast(pa.int64()).to_pylist())
    return [str(each) if isinstance(each, dict | list) else each for each in values.to_pylist()]


def _has(row: Row, wanted: Row) -> bool:
    return all(value is None or value == there for there, value in zip(row, wanted, strict=True))
