"""How files are written: as lake.yaml states, where it does not as the table's properties say, else by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from influx_lake.config import Compression, WriteOptions
from influx_lake.config.tables import table_properties as names
from influx_lake.config.tables.file_options import COMPRESSION_LEVELS
from influx_lake.config.tables.write_properties import SAME
from influx_lake.errors import CatalogRefused
from influx_lake.iceberg.target import TableTarget
from influx_lake.iceberg.writer.bloom_filters import BloomFilter, bloom_filters

if TYPE_CHECKING:
    from pyiceberg.table import Table

ROW_GROUP_BYTES = 64 * 2**20
MOST_ROW_GROUP_BYTES = 256 * 2**20
"""A row group of a size that somebody asked for may take this much memory."""


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """What is settled of a table's files before the first row comes.

    Attributes:
        compression: The codec of their pages.
        compression_level: Its level; None: the codec's own.
        target_file_size: How large a file gets on disk.
        row_group_rows: How many rows a row group has at most.
        row_group_bytes: How much memory they may take.
        pending_bytes: How much may wait for its row group because somebody asked for large ones.
        page_bytes: How large a page gets; None: Parquet's default.
        page_rows: How many rows a page has; None: Parquet's default.
        dictionary_bytes: How large a dictionary gets before values are written plainly; None: Parquet's default.
        bloom_filters: The bloom filters, by the columns' names in the files.
    """

    compression: Compression = Compression.ZSTD
    compression_level: int | None = None
    target_file_size: int = WriteOptions().target_file_size
    row_group_rows: int = WriteOptions().row_group_size
    row_group_bytes: int = ROW_GROUP_BYTES
    pending_bytes: int = 0
    page_bytes: int | None = None
    page_rows: int | None = None
    dictionary_bytes: int | None = None
    bloom_filters: Mapping[str, BloomFilter] | None = None

    @classmethod
    def of(cls, table: Table, target: TableTarget) -> WriteSettings:
        """Settle what holds for a table.

        Raises:
            CatalogRefused: A property of the table has a value that it cannot have.
        """
        stated, properties = target.write.model_fields_set, table.properties
        write = _settled(target.write, properties, target)
        asked_for = "row_group_size" in stated or names.ROW_GROUP_ROWS in properties
        most = MOST_ROW_GROUP_BYTES if asked_for else ROW_GROUP_BYTES
        in_bytes = _whole(properties, names.ROW_GROUP_BYTES)
        row_group_bytes = min(most if in_bytes is None else MOST_ROW_GROUP_BYTES, in_bytes or most)
        return cls(
            compression=write.compression,
            compression_level=write.compression_level,
            target_file_size=write.target_file_size,
            row_group_rows=write.row_group_size,
            row_group_bytes=row_group_bytes,
            pending_bytes=row_group_bytes if asked_for or in_bytes else 0,
            page_bytes=_whole(properties, names.PAGE_BYTES),
            page_rows=_whole(properties, names.PAGE_ROWS),
            dictionary_bytes=_whole(properties, names.DICTIONARY_BYTES),
            bloom_filters=bloom_filters(table, target, write.row_group_size),
        )


def _left_to_table(write: WriteOptions) -> set[str]:
    """The options that were not stated; a level belongs to its codec, wherever that was."""
    codec = {"compression", "compression_level"}
    stated = set(write.model_fields_set)
    return set(SAME) - (stated | codec if stated & codec else stated)


def _settled(write: WriteOptions, properties: Mapping[str, str], target: TableTarget) -> WriteOptions:
    """The options, with what the table says in the place of those that were not stated."""
    left = _left_to_table(write)
    overruled = {key for option, (key, _) in SAME.items() if option not in left}
    for key, value in properties.items():
        reason = names.value_problem(key, value) if key.startswith("write.") and key not in overruled else None
        if reason:
            raise _refused(key, f"{value!r} {reason}", target)
    said: dict[str, Any] = {
        option: read(properties[key]) for option, (key, read) in SAME.items() if option in left and key in properties
    }
    settled = write.model_copy(update=said)
    level = settled.compression_level
    if level is not None and level not in COMPRESSION_LEVELS.get(settled.compression, ()):
        raise _refused(names.LEVEL, f"{level} is no level of {settled.compression}", target)
    return settled


def _refused(key: str, why: str, target: TableTarget) -> CatalogRefused:
    return CatalogRefused(
        f"the property {key} of {target.name} cannot be honoured: {why}",
        remedy=f"State {key} in table_properties of the measurement, or set it right on the table",
    )


def _whole(properties: Mapping[str, str], key: str) -> int | None:
    return int(properties[key]) if key in properties else None
