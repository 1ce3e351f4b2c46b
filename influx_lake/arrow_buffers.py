"""Arrow values in memory where Arrow's own query engine wants them."""

from __future__ import annotations

import pyarrow as pa

_ALIGNMENT = 16
"""In bytes: that of the widest values, which are decimals."""


def aligned(values: pa.Array) -> pa.Array:
    """The values, moved where they lie at an odd address.

    What comes by gRPC may lie anywhere. Arrow's query engine, which also reads for DuckDB, tells stderr of each batch.
    """
    if pa.types.is_dictionary(values.type):
        dictionary = aligned(values.dictionary)
        if dictionary is not values.dictionary or not _is_aligned(values.indices):
            return pa.DictionaryArray.from_arrays(aligned(values.indices), dictionary, ordered=values.type.ordered)
        return values
    # An array of several is a copy.
    return values if _is_aligned(values) else pa.concat_arrays([values, values.slice(0, 0)])


def _is_aligned(values: pa.Array) -> bool:
    return all(buffer is None or buffer.address % _ALIGNMENT == 0 for buffer in values.buffers())
