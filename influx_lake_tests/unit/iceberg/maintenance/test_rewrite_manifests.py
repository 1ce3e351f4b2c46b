"""Manifests are rewritten; files, rows and what is known of the table stay."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import ManifestFile
from pyiceberg.table.snapshots import Operation

from influx_lake.config.maintenance.options import ManifestOptions
from influx_lake.iceberg.commit import overwrite_producer
from influx_lake.iceberg.commit.overwrite_producer import MANIFEST_SIZE
from influx_lake.iceberg.maintenance.rewrite_manifests import rewrite_manifests
from influx_lake.iceberg.maintenance.task import Maintained, TableTask
from influx_lake.iceberg.table_state import current_state, table_state
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
    monkeypatch.setattr(current_state, "_followed", None)
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


def test_a_query_for_a_day_does_not_read_the_manifest_of_a_year(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(24):
        replace(catalog, day(number), rows(day(number), 5))
    least = min(each.manifest_length for each in manifests(catalog))
    rewritten(catalog)
    [whole] = manifests(catalog)
    # As a table of before has it, or one that others maintain; most of its bytes are the schema, which each has.
    assert whole.manifest_length < MANIFEST_SIZE == 512 * 1024
    monkeypatch.setattr(overwrite_producer, "MANIFEST_SIZE", least + (whole.manifest_length - least) // 4)
    monkeypatch.setattr("influx_lake.iceberg.maintenance.rewrite_manifests.LARGE", 1)
    before = held(catalog)

    assert rewritten(catalog, dry_run=True).done == {"manifests_removed": 1}
    done = rewritten(catalog)

    found = manifests(catalog)
    assert done.done == {"manifests_added": len(found) - 1, "snapshots": 1}
    assert 3 <= len(found) <= 8
    assert sum(each.existing_files_count or 0 for each in found) == 24
    days = sorted((each.partitions[0].lower_bound, each.partitions[0].upper_bound) for each in found if each.partitions)
    assert all(last < first for (_, last), (first, _) in pairwise(days))
    assert held(catalog) == before
    monkeypatch.setattr("influx_lake.iceberg.maintenance.rewrite_manifests.LARGE", 2)
    assert rewritten(catalog).done == {}


def test_what_the_table_says_of_manifests_is_so(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        replace(catalog, day(number), rows(day(number), 5))
    monkeypatch.setattr(overwrite_producer, "MANIFEST_SIZE", 1)
    with table(catalog).transaction() as transaction:
        transaction.set_properties({"commit.manifest.target-size-bytes": str(8 * 2**20)})
    rewritten(catalog)
    assert len(manifests(catalog)) == 1


def manifests(catalog: Catalog) -> list[ManifestFile]:
    snapshot = table(catalog).current_snapshot()
    assert snapshot is not None
    return snapshot.manifests(table(catalog).io)
