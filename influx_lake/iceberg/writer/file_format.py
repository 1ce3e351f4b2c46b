"""How the Parquet files of one writer look: their columns, encodings and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from influx_lake.iceberg.layout.sort_order import FileOrder
from influx_lake.iceberg.spill.memory_accounting import RowSize
from influx_lake.iceberg.spill.text_dictionary import TextDictionary
from influx_lake.iceberg.writer.bloom_filters import bloom_options
from influx_lake.iceberg.writer.encodings import Encodings
from influx_lake.iceberg.writer.write_settings import WriteSettings


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What all files of a writer have in common.

    Attributes:
        schema: The columns that the Parquet writer is given.
        options: Its other arguments.
        settings: What is settled of the files beside that.
        order: The order of their rows.
        dictionaries: What texts are encoded with, by column.
        row_size: The memory of conforming rows.
    """

    schema: pa.Schema
    options: dict[str, Any]
    settings: WriteSettings
    order: FileOrder | None
    dictionaries: Mapping[str, TextDictionary]
    row_size: RowSize

    @classmethod
    def suiting(
        cls, rows: pa.Table, settings: WriteSettings, *, encode_text: bool, order: FileOrder | None = None
    ) -> FileFormat:
        """The format for files that begin with these rows.

        Args:
            rows: The rows, in the types of the table's files.
            settings: How files are to be.
            encode_text: Whether rows are copied before they are written, which is cheap for dictionaries only.
            order: The order that all rows come in; None: in any.
        """
        compression = {"compression": settings.compression.value, "compression_level": settings.compression_level}
        encodings = Encodings.chosen_for(rows, compression)
        options = {
            **compression,
            **encodings.options(),
            # An embedded Arrow schema would make readers see dictionaries that the Iceberg schema does not have.
            "store_schema": False,
            "write_page_index": True,
            "data_page_size": settings.page_bytes,
            "max_rows_per_page": settings.page_rows,
            "dictionary_pagesize_limit": settings.dictionary_bytes,
            "bloom_filter_options": bloom_options(rows, settings.bloom_filters or {}, settings.row_group_rows),
            "sorting_columns": order.columns if order else None,
        }
        schema = encodings.schema(rows.schema, encode_text=encode_text)
        dictionaries = {column.name: TextDictionary() for column in schema if pa.types.is_dictionary(column.type)}
        return cls(schema, options, settings, order, dictionaries, RowSize(schema))

    def conform(self, rows: pa.Table) -> pa.Table:
        """The rows in the columns that the Parquet writer takes."""
        if rows.schema == self.schema and not self.dictionaries:
            return rows
        columns = zip(rows.columns, self.schema, strict=True)
        return pa.Table.from_arrays([self._conform(values, column) for values, column in columns], schema=self.schema)

    def row_group(self, rows: pa.Table) -> pa.Table:
        """Conforming rows with one dictionary per column, so that none is built again."""
        return rows.unify_dictionaries() if self.dictionaries else rows

    def _conform(self, values: pa.ChunkedArray, column: pa.Field) -> pa.ChunkedArray:
        dictionary = self.dictionaries.get(column.name)
        if dictionary is None:
            return values.cast(column.type)
        return pa.chunked_array([dictionary.encode(chunk) for chunk in values.chunks], column.type)
