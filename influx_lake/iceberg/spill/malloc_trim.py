"""Memory that is free, and that the process keeps all the same."""

from __future__ import annotations

import ctypes

import pyarrow as pa

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Of the GNU C library; others have none."""


def hand_back() -> None:
    """Hand free memory back to the system: what a source took lies in gaps that what comes later does not fit into."""
    pa.default_memory_pool().release_unused()
    if _TRIM is not None:
        _TRIM(0)
