"""Who reads the rows of windows, and writes their files."""

from __future__ import annotations

from enum import StrEnum


class LoadEngine(StrEnum):
    """Who reads the rows of windows, and writes their files."""

    OWN = "own"
    SPARK = "spark"
