"""Where a byte is in a text, and how often: many times faster than by `bytes.count` where it is frequent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LOOKED_AT = 1 << 17
"""Bytes that are looked at together: marks of as many stay in the processor's cache, and need no new memory."""

Text = bytes | memoryview | npt.NDArray[np.uint8]


def places_of(byte: int, text: Text) -> npt.NDArray[np.int64]:
    """Where a byte is."""
    data = np.frombuffer(text, np.uint8)
    found = [np.flatnonzero(data[at : at + _LOOKED_AT] == byte) + at for at in range(0, len(data), _LOOKED_AT)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def count_of(byte: int, text: Text) -> int:
    """How often a byte is there."""
    data = np.frombuffer(text, np.uint8)
    parts = (data[at : at + _LOOKED_AT] for at in range(0, len(data), _LOOKED_AT))
    return sum(int(np.count_nonzero(part == byte)) for part in parts)
