"""Merges points that differ only in left out tags: keeps the one whose values sort last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.tables.sort_order import SortTerm
from influx_lake.iceberg.sort.external_sort import sorted_batches


def last_of_each(batches: Iterable[pa.RecordBatch], schema: pa.Schema, key: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield one row for each key, sorted by key: the last one in the order of all columns.

    InfluxDB does not order points of different series at the same time, so the values decide: each load keeps the same
    row. Memory does not depend on the number of rows, since they are sorted on disk.

    Args:
        batches: The rows.
        schema: Their schema.
        key: The columns of the key.
    """
    names = [*key, *(name for name in schema.names if name not in key)]
    held: pa.RecordBatch | None = None
    for batch in sorted_batches(batches, schema, [SortTerm(name) for name in names]):
        if not len(batch):
            continue
        if held is not None and not _same(held, batch, key):
            yield _with_schema(held, schema)
        # The next batch decides whether the last row is the last one of its key.
        if len(kept := batch.slice(0, len(batch) - 1).filter(_is_last(batch, key))):
            yield _with_schema(kept, schema)
        held = batch.slice(len(batch) - 1)
    if held is not None:
        yield _with_schema(held, schema)


def _is_last(batch: pa.RecordBatch, key: Sequence[str]) -> pa.Array:
    """The mask of rows whose next row has another key; without the last row."""
    differs = pa.repeat(pa.scalar(False), max(0, len(batch) - 1))
    for name in key:
        column = batch.column(name)
        one, other = column.slice(0, len(batch) - 1), column.slice(1)
        if pa.types.is_dictionary(column.type):
            one, other = one.indices, other.indices
        unequal = pc.fill_null(pc.not_equal(one, other), False)
        differs = pc.or_(differs, pc.or_(unequal, pc.xor(pc.is_null(one), pc.is_null(other))))
    return differs


def _same(one: pa.RecordBatch, batch: pa.RecordBatch, key: Sequence[str]) -> bool:
    """Whether a row has the same key as the first row of a batch."""
    return all(_first(one.column(name)) == _first(batch.column(name)) for name in key)


def _first(column: pa.Array) -> object:
    # Python's datetime has no nanoseconds.
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column)[0].as_py()


def _with_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The rows, encoded as in the schema."""
    columns = [
        column if column.type == each.type else _encoded(column, each.type)
        for each, column in zip(schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _encoded(column: pa.Array, kind: pa.DataType) -> pa.Array:
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return plain.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else plain.cast(kind)
