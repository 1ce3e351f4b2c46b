"""How the Parquet files of one writer look: their columns, encodings and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from influx_lake.config import WriteOptions
from influx_lake.iceberg.encodings import Encodings


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What all files of a writer have in common.

    Attributes:
        schema: The columns that the Parquet writer is given.
        options: Its other arguments.
    """

    schema: pa.Schema
    options: dict[str, Any]

    @classmethod
    def suiting(cls, rows: pa.Table, write: WriteOptions, *, encode_text: bool) -> FileFormat:
        """The format for files that begin with these rows.

        Args:
            rows: The rows, in the types of the table's files.
            write: Compression.
            encode_text: Whether rows are copied before they are written, which is cheap for dictionaries only.
        """
        compression = {"compression": write.compression.value, "compression_level": write.compression_level}
        encodings = Encodings.chosen_for(rows, compression)
        options = {
            **compression,
            **encodings.options(),
            # An embedded Arrow schema would make readers see dictionaries that the Iceberg schema does not have.
            "store_schema": False,
            "write_page_index": True,
        }
        return cls(encodings.schema(rows.schema, encode_text=encode_text), options)

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
