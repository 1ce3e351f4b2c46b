"""How the Parquet files of one writer look: their columns, encodings and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from influx_lake.iceberg.bloom import bloom_options
from influx_lake.iceberg.encodings import Encodings
from influx_lake.iceberg.sort_order import FileOrder
from influx_lake.iceberg.write_settings import WriteSettings


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What all files of a writer have in common.

    Attributes:
        schema: The columns that the Parquet writer is given.
        options: Its other arguments.
        settings: What is settled of the files beside that.
        order: The order of their rows.
    """

    schema: pa.Schema
    options: dict[str, Any]
    settings: WriteSettings
    order: FileOrder | None = None

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
            "bloom_filter_options": bloom_options(rows, settings),
            "sorting_columns": order.columns if order else None,
        }
        return cls(encodings.schema(rows.schema, encode_text=encode_text), options, settings, order)

    def conform(self, rows: pa.Table) -> pa.Table:
        """The rows as the Parquet writer takes them; one dictionary per column, so that none is built again."""
        if rows.schema != self.schema:
            columns = zip(rows.columns, self.schema.types, strict=True)
            rows = pa.Table.from_arrays([_as(kind, values) for values, kind in columns], schema=self.schema)
        has_dictionaries = any(pa.types.is_dictionary(kind) for kind in self.schema.types)
        return rows.unify_dictionaries() if has_dictionaries else rows


def _as(kind: pa.DataType, values: pa.ChunkedArray) -> pa.ChunkedArray:
    encodes = pa.types.is_dictionary(kind) and not pa.types.is_dictionary(values.type)
    return values.dictionary_encode() if encodes else values.cast(kind)
