"""Writes rows as CSV, JSON or Parquet, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

import pyarrow as pa

from influx_lake.cli.results.cells import plain
from influx_lake.cli.results.format import Format
from influx_lake.cli.results.times import as_numbers, has_common_years


def write(kind: Format, schema: pa.Schema, batches: Iterable[pa.RecordBatch], file: IO[bytes]) -> int:
    """Write rows.

    Args:
        kind: The format: CSV, JSON or Parquet.
        schema: The schema.
        batches: The rows.
        file: The output.

    Returns:
        How many there are.
    """
    writers = {Format.CSV: _csv, Format.JSON: _json, Format.PARQUET: _parquet}
    return writers[kind](unambiguous(schema), batches, file)


def unambiguous(schema: pa.Schema) -> pa.Schema:
    """A schema with unique names: the second `a` is `a_1`."""
    names: list[str] = []
    for name in schema.names:
        tried, number = name, 0
        while tried in names:
            number += 1
            tried = f"{name}_{number}"
        names.append(tried)
    return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])


def rows_of(schema: pa.Schema, batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch as JSON."""
    columns = [_values(values, field.type) for values, field in zip(batch.columns, schema, strict=True)]
    for row in zip(*columns, strict=True):
        yield dict(zip(schema.names, row, strict=True))


def python_values(values: pa.Array) -> list[Any]:
    """Values as Python objects; times as integers."""
    kind = as_numbers(values.type)
    return list((values if kind == values.type else values.cast(kind)).to_pylist())


def _values(values: pa.Array, kind: pa.DataType) -> list[Any]:
    return [plain(each, kind) for each in python_values(values)]


def _json(schema: pa.Schema, batches: Iterable[pa.RecordBatch], file: IO[bytes]) -> int:
    written = 0
    for batch in batches:
        for row in rows_of(schema, batch):
            file.write(b",\n " if written else b"[")
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False).encode())
            written += 1
    file.write(b"]\n" if written else b"[]\n")
    return written


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch], file: IO[bytes]) -> int:
    from pyarrow.csv import WriteOptions, write_csv

    write_csv(pa.schema([field.with_type(pa.string()) for field in schema]).empty_table(), file)
    written = 0
    for batch in batches:
        columns = [
            values if _is_of_arrow(values) else pa.array(_texts(values), pa.string()) for values in batch.columns
        ]
        rows = pa.RecordBatch.from_arrays(columns, names=schema.names)
        write_csv(rows, file, WriteOptions(include_header=False))
        written += len(batch)
    return written


def _is_of_arrow(values: pa.Array) -> bool:
    """Whether Arrow's CSV writer formats a type correctly."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_decimal)
    return any(test(values.type) for test in (*tests, pa.types.is_timestamp, pa.types.is_date)) and has_common_years(
        values
    )


def _texts(values: pa.Array) -> Iterator[str | None]:
    for value in _values(values, values.type):
        yield value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], file: IO[bytes]) -> int:
    from pyarrow.parquet import ParquetWriter

    written = 0
    with ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            written += len(batch)
    return written
