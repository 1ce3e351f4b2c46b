"""Encodes rows for sorting: texts and maps of few distinct values become numbers, cheap to copy and to compare."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.arrow.maps import as_texts, from_texts, is_map
from influx_lake.iceberg.spill.text_dictionary import ENCODED, MOST_BYTES, TextDictionary


class ColumnCoding:
    """Codes batches of one schema, and restores them.

    A text is known by its place in a dictionary that only grows, so that what was coded early still holds later. A
    column that turns out to have too many texts is kept as it is from then on; see `current`.

    Columns are called by their numbers.

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
        """How many columns there are."""
        return len(self._fields)

    def code(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The columns of a batch as they are kept."""
        return [self._code(number, values) for number, values in enumerate(batch.columns)]

    def current(self, number: int, values: pa.Array) -> pa.Array:
        """Values of a column that were coded earlier, as they would be now."""
        kind = self.type_of(number)
        if values.type == kind:
            return values
        return values.cast(kind) if number in self._coded else self._texts[number].values.take(values)

    def type_of(self, number: int) -> pa.DataType:
        """How the values of a column are kept, as of now."""
        return _narrowest(len(self._texts[number].values)) if number in self._coded else self._fields[number].type

    def comparable(self, number: int, values: pa.Array) -> pa.Array:
        """Values of a column, coded as they are now, as others that Arrow compares as Iceberg compares them."""
        return self._rank(number).take(values) if number in self._coded else _comparable(values)

    def restore(self, columns: Sequence[pa.Array]) -> pa.RecordBatch:
        """The rows as they were before; texts that were coded are dictionaries."""
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
        """The place of each text of a column among them, in order."""
        values, rank = self._texts[number].values, self._ranks.get(number)
        if rank is None or len(rank) != len(values):
            rank = self._ranks[number] = pc.array_sort_indices(pc.array_sort_indices(values)).cast(pa.int32())
        return rank


def _comparable(values: pa.Array) -> pa.Array:
    """Floats as the integers of their bits, the negative ones reversed; others as they are."""
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
    """The smallest type of numbers that tells so many texts apart: what waits on disk is the smaller."""
    return next(kind for kind in (pa.int8(), pa.int16(), pa.int32()) if count <= 2 ** (kind.bit_width - 1))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type)))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values without dictionaries, and without views and maps, which Arrow cannot sort."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_string_view(kind) or is_map(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind
