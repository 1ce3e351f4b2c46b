"""The compression of files of line protocol."""

from __future__ import annotations

from enum import StrEnum


class Packing(StrEnum):
    """The compression of files."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"

    @property
    def ending(self) -> str:
        """The suffix of file names."""
        return {"gzip": ".lp.gz", "zstd": ".lp.zst", "none": ".lp"}[self.value]
