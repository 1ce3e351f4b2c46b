"""How files of line protocol are packed."""

from __future__ import annotations

from enum import StrEnum


class Packing(StrEnum):
    """How files are packed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"

    @property
    def ending(self) -> str:
        """What names of such files end with."""
        return {"gzip": ".lp.gz", "zstd": ".lp.zst", "none": ".lp"}[self.value]
