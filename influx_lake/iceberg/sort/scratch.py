"""Reusable memory for sorting one column after the other: newly allocated pages cost more than a copy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Scratch:
    """Memory for two copies of one column: unsorted and sorted."""

    def __init__(self) -> None:
        self._joined = np.empty(0, np.uint8)
        self._taken = np.empty(0, np.uint8)

    @staticmethod
    def has_room_for(chunks: Sequence[pa.Array]) -> bool:
        """Whether values have a fixed width of whole bytes, and no nulls."""
        kind = chunks[0].type
        numbers = pa.types.is_primitive(kind) and not pa.types.is_boolean(kind)
        return numbers and not any(chunk.null_count for chunk in chunks)

    def taken(self, chunks: Sequence[pa.Array], order: pa.Array) -> pa.Array:
        """The values of all chunks in order; they are valid until the next call."""
        kind, rows = chunks[0].type, sum(map(len, chunks))
        size = rows * kind.byte_width
        if len(self._joined) < size:
            self._joined, self._taken = np.empty(size, np.uint8), np.empty(size, np.uint8)
        width = np.dtype(f"V{kind.byte_width}") if kind.byte_width > 8 else np.dtype(f"u{kind.byte_width}")
        joined, taken = (room[:size].view(width) for room in (self._joined, self._taken))
        np.concatenate([_numbers(chunk, width) for chunk in chunks], out=joined)
        np.take(joined, order.to_numpy(), out=taken, mode="clip")
        return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(taken)])


def _numbers(values: pa.Array, width: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    buffer = values.buffers()[1]
    if buffer is None:
        return np.empty(0, width)
    whole: npt.NDArray[np.generic] = np.frombuffer(buffer, width, values.offset + len(values))
    return whole[values.offset :]
