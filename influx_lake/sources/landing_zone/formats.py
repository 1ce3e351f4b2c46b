"""The records of a file, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from influx_lake.config import LandingZoneConfig
from influx_lake.sources.files import FileLimits, StoredFile, numbered_lines, read_chunks
from influx_lake.sources.files.failures import file_errors
from influx_lake.sources.landing_zone.csv_rows import CsvRows
from influx_lake.sources.landing_zone.folders import LandedFile
from influx_lake.sources.landing_zone.json_documents import JsonDocuments

Records = Iterator[tuple[int, object]]
"""Each record with its line, or its number."""

_ROWS_AT_ONCE = 16_384


def text_records(landed: LandedFile, config: LandingZoneConfig) -> Records:
    """The records of JSON or CSV.

    Raises:
        SourceError: While iterating: the file cannot be read.
    """
    uri, limits = landed.file.uri, FileLimits(config.max_document, config.max_expansion)
    with read_chunks(landed.file, limits) as chunks:
        lines = numbered_lines(chunks, uri, limits)
        if config.format == "csv":
            yield from CsvRows(lines, uri, limits, config, landed.measurement).records()
        else:
            yield from JsonDocuments(lines, uri, limits, config.timestamp).records()


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
