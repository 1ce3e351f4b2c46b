"""The option `write`: data files."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from influx_lake.config.tables.sort_order import SortTerms
from influx_lake.config.tables.write_modes import ModeOptions
from influx_lake.config.values.lists import Distinct
from influx_lake.config.values.units import Size, WholeNumber
from influx_lake.config.values.validated_names import Text


class Compression(StrEnum):
    """How Parquet pages are compressed."""

    NONE = "none"
    SNAPPY = "snappy"
    GZIP = "gzip"
    LZ4 = "lz4"
    ZSTD = "zstd"
    BROTLI = "brotli"


COMPRESSION_LEVELS = {
    Compression.GZIP: range(1, 10),
    Compression.LZ4: range(1, 13),
    Compression.ZSTD: range(1, 23),
    Compression.BROTLI: range(12),
}
"""The levels of codecs that have some."""


class FileOptions(BaseModel):
    """How data files are written."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    compression: Compression = Field(default=Compression.ZSTD, description="How Parquet pages are compressed.")
    compression_level: WholeNumber | None = Field(
        default=None,
        description="The codec's level: gzip 1 to 9, lz4 1 to 12, zstd 1 to 22, brotli 0 to 11. Default: the codec's.",
        ge=0,
        le=22,
    )
    target_file_size: Size = Field(
        default=512_000_000, ge=1, description="How large a data file gets on disk before the next one is begun."
    )
    row_group_size: WholeNumber = Field(
        default=262_144,
        ge=1,
        description="How many rows a row group has at most. Fewer where they would take more memory: 64 MiB, or "
        "256 MiB where this is stated.",
    )
    bloom_filter: Annotated[tuple[Text, ...], Distinct()] = Field(
        default=(),
        description="Columns, as they are called in the table, whose files get a bloom filter: readers that look for "
        "single values pass over the row groups without them.",
        examples=[["host"]],
    )
    sort_by: SortTerms = Field(
        default=None,
        description="Sort the rows of each window by these columns, each optionally with `desc`, and record it as the "
        "table's sort order; `none`: do not sort, and record that. Default: do not sort, and leave the table's order.",
    )


class WriteOptions(FileOptions, ModeOptions):
    """How rows get into the table, and how its data files are written."""
