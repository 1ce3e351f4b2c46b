"""Bulk import: converts Arrow data and Parquet files to the stored schema, piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from influx_lake.errors import DataRefused
from influx_lake.sandbox.storage.columns import TIME, Kind, arrow_schema

Source: TypeAlias = "pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch] | Iterable[Path | str] | Path | str"
_PIECE_ROWS = 1_048_576


def stored_batches(measurement: str, data: Source, tags: frozenset[str]) -> Iterator[pa.Table]:
    """Convert data to the stored schema, in pieces of about a million rows."""
    waiting: list[pa.Table] = []
    rows = 0
    for batch in _batches(data):
        table = pa.Table.from_batches([batch])
        waiting.append(_stored(measurement, table, tags))
        rows += batch.num_rows
        if rows >= _PIECE_ROWS:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _batches(data: Source) -> Iterator[pa.RecordBatch]:
    if isinstance(data, pa.Table):
        yield from data.to_batches()
    elif isinstance(data, str | Path):
        yield from pq.ParquetFile(data).iter_batches(_PIECE_ROWS)
    else:
        for item in data:
            if isinstance(item, pa.RecordBatch):
                yield item
            else:
                yield from _batches(item)


def _stored(measurement: str, table: pa.Table, tags: frozenset[str]) -> pa.Table:
    if absent := sorted((tags | {TIME}) - set(table.column_names)):
        raise DataRefused(f"the data for {measurement} has no column {', '.join(absent)}")
    kinds = {field.name: _kind(measurement, field, tags) for field in table.schema}
    schema = arrow_schema(measurement, kinds)
    columns = []
    for field in schema:
        column = table.column(field.name)
        if kinds[field.name] is Kind.TAG and not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        columns.append(column.cast(field.type))
    if table.column(TIME).null_count:
        raise DataRefused(f"the data for {measurement} has points without a time")
    return pa.table(columns, schema=schema)


def _kind(measurement: str, field: pa.Field, tags: frozenset[str]) -> Kind:
    kind = field.type
    if field.name == TIME:
        return Kind.TIME
    if field.name in tags:
        return Kind.TAG
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    for test, result in _TESTS:
        if test(kind):
            return result
    raise DataRefused(
        f"column {field.name} of the data for {measurement} is {field.type}, which InfluxDB does not have",
        remedy="Cast it to double, int64, uint64, bool or string",
    )


_TESTS = (
    (pa.types.is_boolean, Kind.BOOLEAN),
    (pa.types.is_unsigned_integer, Kind.UINTEGER),
    (pa.types.is_integer, Kind.INTEGER),
    (pa.types.is_floating, Kind.FLOAT),
    (pa.types.is_string, Kind.STRING),
    (pa.types.is_large_string, Kind.STRING),
    (pa.types.is_string_view, Kind.STRING),
)
