"""Manifests are rewritten; files, rows and what is known of the table stay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table.snapshots import Operation

from influx_lake.config.maintenance.options import ManifestOptions
from influx_lake.iceberg.maintenance.rewrite_manifests import rewrite_manifests
from influx_lake.iceberg.maintenance.task import Maintained, TableTask
from influx_lake.iceberg.table_state import reading, table_state
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, replace, rows, table

OPTIONS = ManifestOptions(min_manifests=5)


def rewritten(catalog: Catalog, options: ManifestOptions = OPTIONS, *, dry_run: bool = False) -> Maintained:
    task = TableTask(catalog, TARGET, "maintenance-1", datetime(2026, 3, 1, tzinfo=UTC), dry_run=dry_run)
    return rewrite_manifests(task, options)


def test_few_manifests_in_the_place_of_many(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (3, 1, 4, 0, 2, 5):
        replace(catalog, day(number), rows(day(number), 20))
    state, before = table_state(table(catalog)), held(catalog)
    paths = {task.file.file_path for task in table(catalog).scan().plan_files()}

    assert rewritten(catalog, dry_run=True).done == {"manifests_removed": 6}
    done = rewritten(catalog)

    assert (done.before.manifests, done.after.manifests, done.done["manifests_removed"]) == (6, 1, 5)
    snapshot = table(catalog).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.snapshot_id == done.snapshot_id
    assert snapshot.summary.operation is Operation.REPLACE
    assert (snapshot.summary["manifests-replaced"], snapshot.summary["total-data-files"]) == ("6", "6")
    assert {task.file.file_path for task in table(catalog).scan().plan_files()} == paths
    assert held(catalog) == before
    [manifest] = snapshot.manifests(table(catalog).io)
    entries = manifest.fetch_manifest_entry(table(catalog).io)
    assert len({entry.snapshot_id for entry in entries}) == 6
    days = [entry.data_file.partition[0] for entry in entries]
    assert days == sorted(days)
    monkeypatch.setattr(reading, "_followed", None)
    assert table_state(table(catalog)) == state
    assert rewritten(catalog).done == {}


def test_files_of_an_earlier_partition_spec_keep_it(catalog: Catalog) -> None:
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 20))
    with table(catalog).update_spec() as update:
        update.add_identity("host")
    for number in range(3, 6):
        replace(catalog, day(number), rows(day(number), 20))
    before = held(catalog)
    done = rewritten(catalog, ManifestOptions(min_manifests=2))
    assert (done.before.manifests, done.after.manifests) == (4, 2)
    assert held(catalog) == before
    assert replace(catalog, day(0), rows(day(0), 30)).previous_rows == 20
