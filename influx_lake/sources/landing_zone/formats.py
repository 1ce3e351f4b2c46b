"""The records of a file, one after the other."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator

import pyarrow as pa
from pydantic_core import from_json

from influx_lake.sources.files import StoredFile, read_chunks
from influx_lake.sources.files.failures import file_errors

Records = Iterator[tuple[int, object]]
"""Each record with its line, or its number."""

_ROWS_AT_ONCE = 16_384

NOT_JSON = object()
"""Stands for a line that is none."""


def json_records(file: StoredFile) -> Records:
    """Objects, one in each line; an object `metrics` is many of them."""
    with read_chunks(file) as chunks:
        for number, line in enumerate(_lines(chunks), start=1):
            if not line.strip():
                continue
            record = _parsed(line)
            batch = record.get("metrics") if isinstance(record, dict) else None
            for each in batch if isinstance(batch, list) else (record,):
                yield number, each


def _parsed(line: bytes) -> object:
    try:
        return from_json(line)
    except ValueError:
        # The slower parser takes more: a mark of the byte order, deeper objects, and halves of characters: no text.
        try:
            record: object = json.loads(line)
            json.dumps(record, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return NOT_JSON
        return record


def csv_records(file: StoredFile) -> Records:
    """Rows below a header."""
    with read_chunks(file) as chunks:
        texts = (
            line.decode("utf-8-sig" if not number else "utf-8", "replace") for number, line in enumerate(_lines(chunks))
        )
        rows = csv.reader(each + "\n" for each in texts)
        header = next(rows, [])
        for row in rows:
            if row:
                yield rows.line_num, dict(zip(header, row, strict=True)) if len(row) == len(header) else NOT_JSON


def parquet_batches(file: StoredFile) -> Iterator[pa.RecordBatch]:
    """Rows, some at a time."""
    import pyarrow.parquet as pq

    with file_errors(file.uri), file.system.open_input_file(file.path) as stream:
        yield from pq.ParquetFile(stream).iter_batches(_ROWS_AT_ONCE)


def batch_records(batch: pa.RecordBatch, first: int) -> Records:
    """The rows of a batch; times as nanoseconds in text, so that nothing is cut off."""
    yield from enumerate(_plain(batch).to_pylist(), start=first)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = {
        field.name: column.cast(pa.timestamp("ns", "UTC")).cast(pa.string())
        if pa.types.is_timestamp(field.type)
        else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    }
    return pa.RecordBatch.from_pydict(columns)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


RECORDS: dict[str, Callable[[StoredFile], Records]] = {"json": json_records, "csv": csv_records}
"""Records of landed files that are read one by one."""
