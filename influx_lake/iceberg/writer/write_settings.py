"""The settings for data files: stated in lake.yaml, else in the table's properties, else defaults."""

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
"""The largest memory of a row group whose size was stated."""


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """The settings for a table's files, fixed before the first row.

    Attributes:
        compression: The codec of pages.
        compression_level: The level of the codec; None: its default.
        target_file_size: The target size of a file, in bytes on disk.
        row_group_rows: The largest number of rows of a row group.
        row_group_bytes: The largest memory of a row group.
        pending_bytes: The memory for buffered rows, where large row groups were stated; else 0.
        page_bytes: The size limit of pages; None: Parquet's default.
        page_rows: The row limit of pages; None: Parquet's default.
        dictionary_bytes: The size from which on values are written plain instead of by dictionary; None: Parquet's
            default.
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
        """Determine the settings for a table.

        Raises:
            CatalogRefused: A property of the table has an invalid value.
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
    """The options that lake.yaml does not state; a level belongs to its codec: both come from the same place."""
    codec = {"compression", "compression_level"}
    stated = set(write.model_fields_set)
    return set(SAME) - (stated | codec if stated & codec else stated)


def _settled(write: WriteOptions, properties: Mapping[str, str], target: TableTarget) -> WriteOptions:
    """The options, with the table's properties in place of those that are not stated."""
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
