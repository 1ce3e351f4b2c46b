"""Maintenance of tables in object stores: files are listed and deleted there as on a disk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.maintenance.options import ExpireOptions, MetadataOptions, OrphanOptions
from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.errors import RowsStillThere
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.erasing.erase import erase_rows
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.metadata import metadata
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.storage.listing import files_below
from influx_lake.iceberg.writer.writer import write_files
from influx_lake_tests.integration.iceberg.stores.stores import PLACES
from influx_lake_tests.unit.iceberg.erasing.test_erase import of_host
from influx_lake_tests.unit.iceberg.maintenance.tasks import DAY, needed, task
from influx_lake_tests.unit.iceberg.tables import SCHEMA, TARGET, day, held, replace, rows, table


def stored(catalog: Catalog) -> set[str]:
    """Every file below the table's folder; `needed` has those of the disk as paths."""
    return {file.path.removeprefix("file://") for file in files_below(table(catalog).io, table(catalog).location())}


@pytest.mark.servers
@pytest.mark.parametrize("store", PLACES)
def test_maintenance_on_a_store(store: str, tmp_path: Path) -> None:
    with PLACES[store](tmp_path) as properties:
        catalog = open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/lake.db", **properties})
        for number in (0, 1, 1, 0):
            replace(catalog, day(number), rows(day(number), 700))
        left = {
            file.file_path.removeprefix("file://")
            for file in write_files(table(catalog), TARGET, [rows(day(5), 7)], SCHEMA)
        }
        before = held(catalog)
        assert left <= stored(catalog)

        expired = expire_snapshots(task(catalog), ExpireOptions(older_than=timedelta(0), keep_last=1))
        assert expired.done["snapshots_expired"] == 3
        assert remove_orphans(task(catalog), OrphanOptions()).done["files_removed"] == 0
        assert remove_orphans(task(catalog, ahead=4 * DAY), OrphanOptions()).done["files_removed"] == len(left)
        metadata(task(catalog, ahead=4 * DAY), MetadataOptions(keep_last=20))
        assert stored(catalog) == needed(table(catalog))
        assert held(catalog) == before

        hosts = ErasedRows(where="host = 'host-3'")
        assert erase_rows(task(catalog), hosts, of_host()).rows == 200
        assert stored(catalog) == needed(table(catalog))
        write_files(table(catalog), TARGET, [rows(day(5), 7)], SCHEMA)
        with pytest.raises(RowsStillThere, match="younger than a day"):
            erase_rows(task(catalog), hosts, of_host())
        assert erase_rows(task(catalog, ahead=2 * DAY), hosts, of_host()).files_deleted == 1
