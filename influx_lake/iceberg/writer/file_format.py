"""The format of the Parquet files of one writer: columns, encodings, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from influx_lake.iceberg.layout.sort_order import FileOrder
from influx_lake.iceberg.spill.memory_accounting import RowSize
from influx_lake.iceberg.spill.text_dictionary import MOST_BYTES, TextDictionary
from influx_lake.iceberg.writer.bloom_filters import bloom_options
from influx_lake.iceberg.writer.encodings import Encodings
from influx_lake.iceberg.writer.write_settings import WriteSettings

PAGE_BYTES = 2**20
PAGE_ROWS = 20_000
LEAST_ROWS_AT_ONCE = 1_024
"""Arrow's defaults."""
CHECKS_PER_PAGE = 4
"""The size of a page is checked this often within its limit, so that it exceeds it by a fourth at most."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """The common format of a writer's files.

    Attributes:
        schema: The schema of rows that are buffered for their row group.
        written: The schema of rows that the Parquet writer gets.
        options: Its other arguments.
        settings: Sizes and other settings of the files.
        order: The sort order of their rows.
        dictionaries: The dictionaries that strings are encoded with, by column.
        row_size: Measures the memory of conforming rows.
    """

    schema: pa.Schema
    written: pa.Schema
    options: dict[str, Any]
    settings: WriteSettings
    order: FileOrder | None
    dictionaries: Mapping[str, TextDictionary]
    row_size: RowSize

    @classmethod
    def suiting(
        cls, rows: pa.Table, settings: WriteSettings, *, encode_text: bool, order: FileOrder | None = None
    ) -> FileFormat:
        """Choose the format for files that begin with these rows.

        Args:
            rows: The rows, in the types of the table's files.
            settings: Sizes and other settings of the files.
            encode_text: Whether rows are copied before they are written, which is cheap for dictionaries only;
                otherwise strings become dictionaries with their row group, which leaves less work to the encoding
                thread.
            order: The sort order of all rows; None: unsorted.
        """
        compression = {"compression": settings.compression.value, "compression_level": settings.compression_level}
        encodings = Encodings.chosen_for(rows, compression)
        # Arrow (26.0) abandons a dictionary that grows too large only if it builds it itself, and checks its size once
        # for each batch of rows.
        may_be_encoded = settings.dictionary_bytes is None or settings.dictionary_bytes >= MOST_BYTES
        at_once = _rows_at_once(rows.select(encodings.plain(rows.schema)), settings)
        options = {
            **compression,
            **encodings.options(),
            # An embedded Arrow schema would show readers dictionaries that the Iceberg schema does not have.
            "store_schema": False,
            "write_page_index": True,
            "data_page_size": settings.page_bytes,
            "max_rows_per_page": settings.page_rows,
            "dictionary_pagesize_limit": settings.dictionary_bytes,
            "write_batch_size": at_once if may_be_encoded else LEAST_ROWS_AT_ONCE,
            "bloom_filter_options": bloom_options(rows, settings.bloom_filters or {}, settings.row_group_rows),
            "sorting_columns": order.columns if order else None,
        }
        schema = encodings.schema(rows.schema, encode_text=encode_text, may_be_encoded=may_be_encoded)
        written = encodings.schema(rows.schema, encode_text=True, may_be_encoded=may_be_encoded)
        dictionaries = {column.name: TextDictionary() for column in written if pa.types.is_dictionary(column.type)}
        return cls(schema, written, options, settings, order, dictionaries, RowSize(schema))

    def conform(self, rows: pa.Table) -> pa.Table:
        """Convert rows to the schema in which they are buffered."""
        if rows.schema == self.schema and not any(pa.types.is_dictionary(kind) for kind in self.schema.types):
            return rows
        columns = zip(rows.columns, self.schema, strict=True)
        return pa.Table.from_arrays([self._conform(values, column) for values, column in columns], schema=self.schema)

    def row_group(self, rows: pa.Table) -> pa.Table:
        """Convert buffered rows for the Parquet writer: with one dictionary per column, so that it builds none."""
        if not self.dictionaries:
            return rows
        pairs = zip(rows.columns, self.written, strict=True)
        columns = [
            values if values.type == column.type else self.dictionaries[column.name].encode_all(values)
            for values, column in pairs
        ]
        return pa.Table.from_arrays(columns, schema=self.written).unify_dictionaries()

    def _conform(self, values: pa.ChunkedArray, column: pa.Field) -> pa.ChunkedArray:
        if not pa.types.is_dictionary(column.type):
            return values.cast(column.type)
        dictionary = self.dictionaries[column.name]
        return pa.chunked_array([dictionary.encode(chunk) for chunk in values.chunks], column.type)


def _rows_at_once(rows: pa.Table, settings: WriteSettings) -> int:
    """The number of rows that are encoded between checks of a page's size: many where values are small.

    Args:
        rows: The first rows, of the columns without a dictionary.
        settings: The limits on pages.
    """
    widest = max((values.nbytes / max(1, len(rows)) for values in rows.columns), default=1.0)
    in_page = (settings.page_bytes or PAGE_BYTES) / CHECKS_PER_PAGE / max(1.0, widest)
    return int(min(settings.page_rows or PAGE_ROWS, max(LEAST_ROWS_AT_ONCE, in_page)))
