"""Maintenance of the table that the write path is tested with."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from influx_lake.iceberg.maintenance.task import TableTask
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.tables import TARGET, table

DAY = timedelta(days=1)


def task(
    catalog: Catalog, *, ahead: timedelta = timedelta(), dry_run: bool = False, target: TableTarget = TARGET
) -> TableTask:
    """A task of now, or of a later time: for it everything is that much older."""
    return TableTask(catalog, target, "run-m", datetime.now(UTC) + ahead, dry_run=dry_run)


def files_of_table(folder: Path) -> set[str]:
    """The files below the folder of a lake's tables."""
    return {str(path) for path in (folder / "warehouse").rglob("*") if path.is_file()}


def needed(of: Table) -> set[str]:
    """Every file that a table's metadata name, by the reading of pyiceberg alone."""
    found = {of.metadata_location, *(entry.metadata_file for entry in of.metadata.metadata_log)}
    found |= {each.statistics_path for each in of.metadata.statistics}
    for snapshot in of.metadata.snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(of.io):
            found.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(of.io, discard_deleted=True)
            found |= {entry.data_file.file_path for entry in entries}
    return {path.removeprefix("file://") for path in found}


def snapshots(catalog: Catalog) -> list[int]:
    return [each.snapshot_id for each in table(catalog).metadata.snapshots]


def age(path: Path | str, by: timedelta = 10 * DAY) -> None:
    """Make a file older."""
    then = (datetime.now(UTC) - by).timestamp()
    os.utime(path, (then, then))
