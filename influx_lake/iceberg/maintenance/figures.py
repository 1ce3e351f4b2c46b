"""How many files, snapshots and bytes a table has, told from its metadata alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyiceberg.manifest import DataFileContent

from influx_lake.iceberg.scan.manifest_cache import manifests_of

if TYPE_CHECKING:
    from pyiceberg.table import Table


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
    files = [
        (manifest.partition_spec_id, entry.data_file)
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]
    data = [(spec, file) for spec, file in files if file.content == DataFileContent.DATA]
    return TableFigures(
        partitions=len({(spec, file.partition) for spec, file in data}),
        data_files=len(data),
        small_files=sum(file.file_size_in_bytes < small_file_size for _, file in data),
        data_bytes=sum(file.file_size_in_bytes for _, file in data),
        rows=sum(file.record_count for _, file in data),
        delete_files=len(files) - len(data),
        manifests=len(manifests),
        snapshots=len(metadata.snapshots),
        metadata_files=len(metadata.metadata_log) + 1,
    )
