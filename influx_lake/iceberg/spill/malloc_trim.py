"""Returns freed allocator arenas to the operating system (glibc malloc_trim)."""

from __future__ import annotations

import ctypes

import pyarrow as pa

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""A function of the GNU C library; None with others."""


def return_freed_memory() -> None:
    """Return freed arenas to the system: after a read, fragmentation keeps them in the process."""
    pa.default_memory_pool().release_unused()
    if _TRIM is not None:
        _TRIM(0)
