"""Reads the rows of a Parquet file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.texts import are_texts, is_text, shown
from influx_lake.sources.files import StoredFile
from influx_lake.sources.files.failures import file_errors
from influx_lake.sources.landing_zone.unreadable_part import Unreadable, as_json

if TYPE_CHECKING:
    from pyarrow.parquet import ColumnSchema, ParquetFile

Records = Iterator[tuple[int, object]]
"""Each record with its line or row number."""

_ROWS_AT_ONCE, _MOST_ROWS_AT_ONCE = 16_384, 65_536
_VALUES_AT_ONCE = 500_000
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""The fractional digits of a second, by a time's unit."""


def parquet_batches(
    file: StoredFile,
    left_out: Collection[str] = (),
    row_groups: Sequence[int] | None = None,
    encoded: Collection[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Read rows in batches.

    Args:
        file: The file.
        left_out: Columns that are not read.
        row_groups: The row groups to read; None for all.
        encoded: Columns of strings that become dictionaries.
    """
    import pyarrow.parquet as pq

    with file_errors(file.uri), file.system.open_input_file(file.path) as stream:
        # 96-bit times overflow as nanoseconds; those that did differ from the same time read in microseconds.
        parquet = pq.ParquetFile(stream, page_checksum_verification=True, read_dictionary=list(encoded) or None)
        old = [column.name for column in _columns(parquet) if column.physical_type == "INT96"]
        names = [name for name in parquet.schema_arrow.names if name not in left_out] if left_out else None
        rows = min(_MOST_ROWS_AT_ONCE, max(_ROWS_AT_ONCE, _VALUES_AT_ONCE // max(1, parquet.metadata.num_columns)))
        if not old:
            yield from parquet.iter_batches(rows, row_groups, columns=names)
            return
        coarse = pq.ParquetFile(stream, coerce_int96_timestamp_unit="us")
        times = coarse.iter_batches(rows, row_groups, columns=names)
        for fine, other in zip(parquet.iter_batches(rows, row_groups, columns=names), times, strict=True):
            yield _unwrapped(fine, other)


def _columns(parquet: ParquetFile) -> Iterator[ColumnSchema]:
    return (parquet.schema.column(number) for number in range(len(parquet.schema)))


def _unwrapped(fine: pa.RecordBatch, coarse: pa.RecordBatch) -> pa.RecordBatch:
    """Replace times that overflowed as nanoseconds by strings of those in microseconds."""
    for number, (one, other) in enumerate(zip(fine.columns, coarse.columns, strict=True)):
        if one.type == other.type or not pa.types.is_timestamp(one.type):
            continue
        apart = pc.subtract(pc.divide(one.cast(pa.int64()), 1000), other.cast(pa.int64()))
        same = pc.less_equal(pc.abs(apart), 1)
        if not pc.all(same).as_py():
            texts = pc.if_else(same, one.cast(pa.timestamp("ns", "UTC")).cast(pa.string()), _time_texts(other))
            fine = fine.set_column(number, fine.schema.names[number], texts)
    return fine


def batch_records(batch: pa.RecordBatch, first: int) -> Records:
    """The rows of a batch; times are strings with nanoseconds, so that nothing is cut off."""
    odd = dict(_not_utf8(batch))
    columns = {field.name: _plain(column) for field, column in zip(batch.schema, batch.columns, strict=True)}
    plain = pa.RecordBatch.from_pydict(columns)
    if not odd:
        yield from enumerate(plain.to_pylist(), start=first)
        return
    others = iter(plain.filter(pa.array([row not in odd for row in range(len(batch))])).to_pylist())
    yield from ((first + row, odd[row] if row in odd else next(others)) for row in range(len(batch)))


def _not_utf8(batch: pa.RecordBatch) -> Iterator[tuple[int, Unreadable]]:
    """Placeholders for the rows with a string that is not UTF-8."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for row in range(len(batch)) if not are_texts(column) else ():
            if not is_text(column[row]):
                record = {
                    each: shown(values[row]) for each, values in zip(batch.schema.names, batch.columns, strict=True)
                }
                yield row, Unreadable(f"has a string in {name!r} that is not UTF-8 (Latin-1?)", as_json(record))


def _plain(column: pa.Array) -> pa.Array:
    """Convert times and dates of a column, also those inside objects, to strings, so that Python holds all values
    exactly.
    """
    if pa.types.is_timestamp(column.type):
        return _time_texts(column)
    if pa.types.is_date(column.type):
        return column.cast(pa.string())
    if pa.types.is_struct(column.type):
        names = [field.name for field in column.type]
        parts = [_plain(part) for part in column.flatten()]
        return pa.StructArray.from_arrays(parts, names, mask=column.is_null()) if parts else column
    return column


def _time_texts(times: pa.Array) -> pa.Array:
    try:
        return times.cast(pa.timestamp("ns", "UTC")).cast(pa.string())
    except pa.ArrowInvalid:
        # Some are out of the range of nanoseconds: format them with as many digits anyway.
        digits = _DIGITS[times.type.unit]
        texts = times.cast(pa.timestamp(times.type.unit, "UTC")).cast(pa.string())
        point = "" if digits else "."
        return pc.replace_substring_regex(texts, "Z$", f"{point}{'0' * (9 - digits)}Z")
