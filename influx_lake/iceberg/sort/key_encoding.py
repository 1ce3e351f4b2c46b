"""Encodes rows for sorting: strings and maps of few distinct values as integers, cheap to copy and to compare."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.maps import as_texts, from_texts, is_map
from influx_lake.iceberg.spill.text_dictionary import ENCODED, MOST_BYTES, TextDictionary


class ColumnCoding:
    """Encodes batches of one schema, and decodes them.

    A string is encoded as its index in a dictionary that only grows, so that earlier codes stay valid. A column with
    too many distinct strings is no longer encoded from then on; see `current`.

    Columns are identified by their index.

    Args:
        schema: The schema of the batches.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._maps = {number: column.type for number, column in enumerate(schema) if is_map(column.type)}
        self._fields = [column.with_type(_plain(column.type)) for column in schema]
        self._metadata = schema.metadata
        self._texts = {
            number: TextDictionary() for number, column in enumerate(self._fields) if pa.types.is_string(column.type)
        }
        self._coded = set(self._texts)
        self._ranks: dict[int, pa.Array] = {}

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self._fields)

    def code(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The encoded columns of a batch."""
        return [self._code(number, values) for number, values in enumerate(batch.columns)]

    def current(self, number: int, values: pa.Array) -> pa.Array:
        """Convert values of a column that were encoded earlier to the current encoding."""
        kind = self.type_of(number)
        if values.type == kind:
            return values
        return values.cast(kind) if number in self._coded else self._texts[number].values.take(values)

    def type_of(self, number: int) -> pa.DataType:
        """The type of a column in the current encoding."""
        return _narrowest(len(self._texts[number].values)) if number in self._coded else self._fields[number].type

    def comparable(self, number: int, values: pa.Array) -> pa.Array:
        """Map values of a column, in the current encoding, to values that Arrow orders as Iceberg orders the column."""
        return self._rank(number).take(values) if number in self._coded else _comparable(values)

    def restore(self, columns: Sequence[pa.Array]) -> pa.RecordBatch:
        """Decode rows; encoded strings are returned as dictionaries."""
        restored = [self._restored(number, values) for number, values in enumerate(columns)]
        fields = [column.with_type(values.type) for column, values in zip(self._fields, restored, strict=True)]
        return pa.RecordBatch.from_arrays(restored, schema=pa.schema(fields, self._metadata))

    def _restored(self, number: int, values: pa.Array) -> pa.Array:
        texts = self._texts[number].values if number in self._coded else None
        if number in self._maps:
            kind = self._maps[number]
            return from_texts(values, kind) if texts is None else from_texts(texts, kind).take(values)
        return values if texts is None else pa.DictionaryArray.from_arrays(values.cast(ENCODED.index_type), texts)

    def _code(self, number: int, values: pa.Array) -> pa.Array:
        if number in self._maps:
            values = as_texts(values)
        if number not in self._coded:
            return values.cast(self._fields[number].type)
        texts = self._texts[number]
        coded = texts.encode(values if _is_text(values.type) else values.cast(pa.string()))
        if texts.values.nbytes > MOST_BYTES:
            self._coded.remove(number)
            return values.cast(pa.string())
        return coded.indices.cast(self.type_of(number))

    def _rank(self, number: int) -> pa.Array:
        """The rank of each string of a column in sorted order."""
        values, rank = self._texts[number].values, self._ranks.get(number)
        if rank is None or len(rank) != len(values):
            rank = self._ranks[number] = pc.array_sort_indices(pc.array_sort_indices(values)).cast(pa.int32())
        return rank


def _comparable(values: pa.Array) -> pa.Array:
    """Map floats to integers of the same total order: their bits, inverted for negative ones; keep other values."""
    if not pa.types.is_floating(values.type):
        return values
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    width = values.type.bit_width
    kind = pa.int64() if width == 64 else pa.int32()
    bits = values.view(kind)
    largest = pa.scalar(2 ** (width - 1) - 1, kind)
    return pc.if_else(pc.less(bits, pa.scalar(0, kind)), pc.bit_wise_xor(bits, largest), bits)


def _narrowest(count: int) -> pa.DataType:
    """The smallest integer type for indices of a dictionary: smaller spill files."""
    return next(kind for kind in (pa.int8(), pa.int16(), pa.int32()) if count <= 2 ** (kind.bit_width - 1))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type)))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without dictionaries, and without views and maps, which Arrow cannot sort."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_string_view(kind) or is_map(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind
