"""Chooses the Parquet encoding of each column from its first rows.

No encoding suits all columns of a type: a dictionary of random floats costs CPU and space for nothing, and a reading
with one decimal is far larger without. Floats are never byte-stream-split, though that is often the smallest: Iceberg's
vectorised reader, which Spark uses, refuses such a column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from influx_lake.iceberg.columns.schema import decoded
from influx_lake.iceberg.spill.text_dictionary import ENCODED

TRIAL_ROWS = 32_768
"""The number of rows that are tried: enough for pages and compression to matter, a fraction of a row group."""
MOSTLY_DISTINCT = 0.6
"""With more distinct values than this fraction of rows, a dictionary would hold an eighth of a row group or more."""


class Encoding(StrEnum):
    """An encoding of a column's values."""

    DICTIONARY = "RLE_DICTIONARY"
    PLAIN = "PLAIN"
    DELTA = "DELTA_BINARY_PACKED"


@dataclass(frozen=True, slots=True)
class Encodings:
    """The encoding of each column, by its path in the file."""

    by_column: dict[str, Encoding]

    @classmethod
    def chosen_for(cls, rows: pa.Table, compression: dict[str, Any]) -> Encodings:
        """Choose the encodings from the rows of a first row group.

        Args:
            rows: The rows, in the types of the file.
            compression: The arguments of the Parquet writer for compression.
        """
        columns = list(zip(rows.column_names, rows.columns, strict=True))
        chosen = {name: _choose(values, compression) for name, values in columns if list(_candidates(values.type))}
        # Maps have few keys and few values: the tags of the long layout.
        maps = (name for name, values in columns if pa.types.is_map(values.type))
        parts = (f"{name}.key_value.{part}" for name in maps for part in ("key", "value"))
        return cls(chosen | dict.fromkeys(parts, Encoding.DICTIONARY))

    def schema(self, schema: pa.Schema, *, encode_text: bool, may_be_encoded: bool = True) -> pa.Schema:
        """The schema of rows for the Parquet writer: Arrow dictionaries only for columns with a dictionary in the file.

        Args:
            schema: The schema of the rows.
            encode_text: Whether strings become Arrow dictionaries: then rows are copied and buffered at less cost.
            may_be_encoded: Whether Arrow dictionaries may be passed to the writer at all.
        """
        kinds = (self._kind(field, encode_text and may_be_encoded, may_be_encoded) for field in schema)
        return pa.schema([field.with_type(kind) for field, kind in zip(schema, kinds, strict=True)], schema.metadata)

    def _kind(self, field: pa.Field, encode_text: bool, may_be_encoded: bool) -> pa.DataType:
        is_encoded = pa.types.is_dictionary(field.type)
        if not may_be_encoded or self.by_column.get(field.name) is not Encoding.DICTIONARY:
            return field.type.value_type if is_encoded else field.type
        if is_encoded or (encode_text and pa.types.is_string(field.type)):
            return ENCODED
        return field.type

    def plain(self, schema: pa.Schema) -> list[str]:
        """The columns without a dictionary."""
        return [name for name in schema.names if self.by_column.get(name) is not Encoding.DICTIONARY]

    def options(self) -> dict[str, Any]:
        """The arguments of the Parquet writer."""
        chosen = self.by_column.items()
        return {
            "use_dictionary": [name for name, encoding in chosen if encoding is Encoding.DICTIONARY],
            "column_encoding": {
                name: encoding.value for name, encoding in chosen if encoding is not Encoding.DICTIONARY
            },
        }


def _choose(values: pa.ChunkedArray, compression: dict[str, Any]) -> Encoding:
    candidates = list(_candidates(values.type))
    trial = values.slice(0, TRIAL_ROWS)
    if len(candidates) > 1 and pc.count_distinct(decoded(trial)).as_py() > MOSTLY_DISTINCT * len(trial):
        candidates.remove(Encoding.DICTIONARY)
    if _is_text(values.type):
        return candidates[0]
    return min(candidates, key=lambda encoding: _bytes_per_row(trial, encoding, compression, len(values)))


def _candidates(kind: pa.DataType) -> Iterator[Encoding]:
    """The encodings that may suit a type, the likeliest first."""
    if pa.types.is_timestamp(kind):
        yield Encoding.DELTA
    elif pa.types.is_integer(kind):
        yield from (Encoding.DELTA, Encoding.DICTIONARY, Encoding.PLAIN)
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _is_text(kind):
        yield from (Encoding.DICTIONARY, Encoding.PLAIN)


def _bytes_per_row(
    values: pa.ChunkedArray, encoding: Encoding, compression: dict[str, Any], row_group_rows: int
) -> float:
    """The bytes of a row in a row group that begins with these values."""
    rows = pa.table({"column": values})
    with pq.ParquetWriter(
        pa.BufferOutputStream(),
        rows.schema,
        store_schema=False,
        **compression,
        **Encodings({"column": encoding}).options(),
    ) as writer:
        writer.write_table(rows)
    written = writer.writer.metadata.row_group(0).column(0)
    once = written.data_page_offset - written.dictionary_page_offset if written.has_dictionary_page else 0
    return float((written.total_compressed_size - once) / len(values) + once / row_group_rows)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))
