"""Counts the files, snapshots and bytes of a table from its metadata alone."""

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
    """The figures of a table's current snapshot.

    Attributes:
        partitions: Iceberg partitions that have files.
        data_files: Data files.
        small_files: Data files below the given size.
        data_bytes: The size of all data files.
        rows: Rows in them, including those that delete files delete.
        delete_files: Delete files.
        manifests: Manifests.
        snapshots: Snapshots of the table.
        metadata_files: Metadata files that the table lists, including the current one.
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
    """Count the figures of a table.

    Args:
        table: The table.
        small_file_size: A data file below this many bytes is small.
    """
    metadata, snapshot = table.metadata, table.current_snapshot()
    manifests = manifests_of(snapshot, table.io) if snapshot else []
    partitions: set[tuple[int, Record]] = set()
    # Counted one by one: the list of a large table's files takes many megabytes.
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
