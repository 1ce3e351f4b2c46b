"""How many files, snapshots and bytes a table has, told from its metadata alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyiceberg.manifest import DataFileContent

from influx_lake.iceberg.scan.manifest_cache import manifests_of

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.typedef import Record


@dataclass(frozen=True, slots=True)
class TableFigures:
    """What a table's current snapshot consists of.

    Attributes:
        partitions: Iceberg partitions that have files.
        data_files: Data files.
        small_files: Those of them below the size that was asked about.
        data_bytes: The size of all data files.
        rows: Rows in them, those that deletes take away included.
        delete_files: Files of deletes.
        manifests: Manifests.
        snapshots: Snapshots that the table keeps.
        metadata_files: Metadata files that the table names, the current one included.
    """

    partitions: int = 0
    data_files: int = 0
    small_files: int = 0
    data_bytes: int = 0
    rows: int = 0
    delete_files: int = 0
    manifests: int = 0
    snapshots: int = 0
    metadata_files: int = 0


def table_figures(table: Table, small_file_size: int) -> TableFigures:
    """Count.

    Args:
        table: The table.
        small_file_size: A data file below this many bytes is small.
    """
    metadata, snapshot = table.metadata, table.current_snapshot()
    manifests = manifests_of(snapshot, table.io) if snapshot else []
    partitions: set[tuple[int, Record]] = set()
    # Counted one by one: the files of a large table are many megabytes in memory.
    counts: Counter[str] = Counter()
    for manifest in manifests:
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            file = entry.data_file
            if file.content != DataFileContent.DATA:
                counts["delete_files"] += 1
                continue
            partitions.add((manifest.partition_spec_id, file.partition))
            size = file.file_size_in_bytes
            counts.update(data_files=1, small_files=size < small_file_size, data_bytes=size, rows=file.record_count)
    return TableFigures(
        partitions=len(partitions),
        manifests=len(manifests),
        snapshots=len(metadata.snapshots),
        metadata_files=len(metadata.metadata_log) + 1,
        **counts,
    )
