"""Copies Arrow buffers to aligned addresses where Arrow's query engine requires it."""

from __future__ import annotations

import pyarrow as pa

_ALIGNMENT = 16
"""In bytes: that of the widest type, decimal."""


def aligned(values: pa.Array) -> pa.Array:
    """The array, with buffers copied where they are not aligned.

    Buffers received by gRPC may lie at any address. Arrow's query engine, which also reads for DuckDB, writes a warning
    to stderr for each batch that is not aligned.
    """
    if pa.types.is_dictionary(values.type):
        dictionary = aligned(values.dictionary)
        if dictionary is not values.dictionary or not _is_aligned(values.indices):
            return pa.DictionaryArray.from_arrays(aligned(values.indices), dictionary, ordered=values.type.ordered)
        return values
    # Concatenating copies.
    return values if _is_aligned(values) else pa.concat_arrays([values, values.slice(0, 0)])


def _is_aligned(values: pa.Array) -> bool:
    return all(buffer is None or buffer.address % _ALIGNMENT == 0 for buffer in values.buffers())
