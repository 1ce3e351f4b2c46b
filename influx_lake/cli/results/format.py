"""The output formats of rows."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """The output format of rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
