"""A shared dictionary for all batches of a string column with few distinct values."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ENCODED = pa.dictionary(pa.int32(), pa.string())
MOST_BYTES = 2**20
"""The largest dictionary, in bytes: Parquet's encoder does not use larger ones either."""
_SMALL = 4096
_LOOKED_AT = 16_384


class TextDictionary:
    """The distinct strings of a column, in the order of their first appearance.

    Arrays that are encoded with it share its values, so that they need no unification. When it has too many it starts
    anew: an array keeps the values that it was encoded with.
    """

    def __init__(self) -> None:
        self.values: pa.Array = pa.array([], pa.string())

    def encode(self, texts: pa.Array) -> pa.DictionaryArray:
        """Encode strings."""
        if not pa.types.is_dictionary(texts.type) and len(self.values) < _SMALL:
            places = pc.index_in(texts, value_set=self.values)
            if places.null_count == texts.null_count:
                return pa.DictionaryArray.from_arrays(places, self.values)
        local = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
        if local.type == ENCODED and local.dictionary.equals(self.values):
            return local
        places = self._places(local.dictionary.cast(pa.string()))
        return pa.DictionaryArray.from_arrays(places.take(local.indices), self.values)

    def encode_all(self, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """Encode the strings of a row group; with a dictionary of their own where the shared one is large already."""
        if len(self.values) >= _SMALL:
            return texts.dictionary_encode()
        return pa.chunked_array([self.encode(chunk) for chunk in texts.chunks], ENCODED)

    def _places(self, texts: pa.Array) -> pa.Array:
        """The indices of strings in the dictionary; adds missing ones."""
        places = pc.index_in(texts, value_set=self.values)
        if places.null_count == texts.null_count:
            return places
        if self.values.nbytes > MOST_BYTES:
            self.values = texts.drop_null().unique()
        else:
            lacking = texts.filter(pc.and_(places.is_null(), texts.is_valid()))
            self.values = pa.concat_arrays([self.values, lacking.unique()])
        return pc.index_in(texts, value_set=self.values)


def with_used_values(rows: pa.Table) -> pa.Table:
    """Reduce the dictionary of each encoded column to the values that its rows have: otherwise files would be larger,
    and would still hold values of rows that were erased.

    Args:
        rows: The rows; all chunks of an encoded column share one dictionary.
    """
    if not any(pa.types.is_dictionary(kind) for kind in rows.schema.types):
        return rows
    return pa.Table.from_arrays([_with_used_values(values) for values in rows.columns], schema=rows.schema)


def _with_used_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type) or not column.num_chunks:
        return column
    values = column.chunk(0).dictionary
    used = np.zeros(len(values), np.bool_)
    for chunk in column.chunks:
        for begin in range(0, len(chunk), _LOOKED_AT):
            # The remaining rows need not be checked once every value is used.
            used[chunk.indices.slice(begin, _LOOKED_AT).drop_null().to_numpy().astype(np.intp)] = True
            if used.all():
                return column
    places, kept = pa.array(np.cumsum(used) - 1, column.type.index_type), values.filter(pa.array(used))
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(places.take(chunk.indices), kept) for chunk in column.chunks], column.type
    )
