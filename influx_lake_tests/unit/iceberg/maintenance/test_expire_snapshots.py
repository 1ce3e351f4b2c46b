"""Old snapshots go, with the files that only they needed; what is known of the table stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as changed
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.expressions import EqualTo
from pyiceberg.io import FileIO
from pyiceberg.table.statistics import BlobMetadata, StatisticsFile
from pyiceberg.table.update import SetPartitionStatisticsUpdate

from influx_lake.config.maintenance.options import ExpireOptions, OrphanOptions
from influx_lake.errors import CommitConflict, StorageError
from influx_lake.iceberg.maintenance import expire_snapshots as module
from influx_lake.iceberg.maintenance.expire_snapshots import expire_snapshots
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.storage.deletion import Deleted, delete_for_good
from influx_lake.iceberg.table_state import current_state, table_state
from influx_lake.iceberg.table_state.kept_states import PROPERTY, kept_states
from influx_lake.iceberg.table_state.lineage import _read
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.maintenance.tasks import DAY, files_of_table, needed, snapshots, task
from influx_lake_tests.unit.iceberg.tables import day, held, hours, replace, rows, table

LAST = ExpireOptions(older_than=timedelta(0), keep_last=1)
WEEK = ExpireOptions(older_than=timedelta(days=7), keep_last=1)


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    forget()


def forget() -> None:
    """What a process that starts now does not know."""
    current_state._known.clear()
    _read.cache_clear()


@pytest.fixture
def redone(catalog: Catalog) -> Catalog:
    """Two days; the second one loaded four times."""
    replace(catalog, day(0), rows(day(0), 24))
    for _ in range(4):
        replace(catalog, day(1), rows(day(1), 24))
    return catalog


def test_files_that_only_old_snapshots_needed_are_deleted(redone: Catalog, lake_folder: Path) -> None:
    before, there = held(redone), files_of_table(lake_folder)
    done = expire_snapshots(task(redone), LAST)
    assert done.done["snapshots_expired"] == 4
    assert (done.before.snapshots, done.after.snapshots) == (5, 1)
    data = {path for path in files_of_table(lake_folder) if not path.endswith(".json")}
    assert data == {path for path in needed(table(redone)) if not path.endswith(".json")}
    assert held(redone) == before
    gone = {path for path in there - files_of_table(lake_folder) if not path.endswith(".json")}
    assert done.done["files_removed"] == len(gone)
    assert sum(path.endswith(".parquet") for path in gone) == 3


def test_a_dry_run_tells_the_same_and_changes_nothing(redone: Catalog, lake_folder: Path) -> None:
    there, location = files_of_table(lake_folder), table(redone).metadata_location
    dry = expire_snapshots(task(redone, dry_run=True), LAST)
    assert (files_of_table(lake_folder), table(redone).metadata_location) == (there, location)
    assert dry.before == dry.after
    assert dry.done == expire_snapshots(task(redone), LAST).done


@pytest.mark.parametrize(("ahead", "least", "left"), [(6, 1, 5), (8, 1, 1), (8, 3, 3), (8, 10, 5)])
def test_young_snapshots_and_the_newest_are_kept(redone: Catalog, ahead: int, least: int, left: int) -> None:
    options = ExpireOptions(older_than=7 * DAY, keep_last=least)
    expire_snapshots(task(redone, ahead=ahead * DAY), options)
    assert len(snapshots(redone)) == left


def test_those_of_branches_and_tags_are_kept(redone: Catalog) -> None:
    first, second = snapshots(redone)[:2]
    with table(redone).manage_snapshots() as managing:
        managing.create_tag(first, "for-ever").create_branch(second, "trial")
    expire_snapshots(task(redone, ahead=100 * DAY), LAST)
    assert set(snapshots(redone)) == {first, second, table(redone).metadata.current_snapshot_id}
    for kept in (first, second):
        assert table(redone).scan(snapshot_id=kept).to_arrow().num_rows in (24, 48)


def test_a_tag_that_says_how_long_it_is_kept_goes_when_that_is_over(redone: Catalog) -> None:
    first = snapshots(redone)[0]
    table(redone).manage_snapshots().create_tag(first, "for-a-day", max_ref_age_ms=86_400_000).commit()
    expire_snapshots(task(redone), LAST)
    assert first in snapshots(redone)
    assert expire_snapshots(task(redone, ahead=2 * DAY), LAST).done["refs_expired"] == 1
    assert list(table(redone).metadata.refs) == ["main"]


def test_files_of_statistics_go_with_their_snapshot(redone: Catalog, lake_folder: Path) -> None:
    first, last = snapshots(redone)[0], snapshots(redone)[-1]
    paths = {}
    for snapshot in (first, last):
        paths[snapshot] = lake_folder / "warehouse" / f"{snapshot}.puffin"
        paths[snapshot].write_bytes(b"PFA1")
        blob = BlobMetadata.model_validate(
            {"type": "apache-datasketches-theta-v1", "snapshot-id": snapshot, "sequence-number": 1, "fields": [1]}
        )
        file = StatisticsFile.model_validate(
            {
                "snapshot-id": snapshot,
                "statistics-path": str(paths[snapshot]),
                "file-size-in-bytes": 4,
                "file-footer-size-in-bytes": 1,
                "blob-metadata": [blob],
            }
        )
        table(redone).update_statistics().set_statistics(file).commit()
        # Those of partitions pyiceberg leaves where they are.
        of_partitions = lake_folder / "warehouse" / f"{snapshot}.parquet.stats"
        of_partitions.write_bytes(b"PAR1")
        said = {"snapshot-id": snapshot, "statistics-path": str(of_partitions), "file-size-in-bytes": 4}
        update = SetPartitionStatisticsUpdate.model_validate({"partition-statistics": said})
        table(redone)._do_commit((update,), ())
    expire_snapshots(task(redone), LAST)
    assert (paths[first].exists(), paths[last].exists()) == (False, True)
    assert [each.snapshot_id for each in table(redone).metadata.statistics] == [last]
    assert [each.snapshot_id for each in table(redone).metadata.partition_statistics] == [last]
    assert {path.name for path in (lake_folder / "warehouse").glob("*.parquet.stats")} == {f"{last}.parquet.stats"}


def test_a_load_that_is_first_is_not_expired(redone: Catalog) -> None:
    interfering = Interfering(redone)

    def another() -> None:
        interfering.before = []
        replace(redone, day(2), rows(day(2), 24))

    interfering.before = [CommitFailedException("another was first")]
    expire_snapshots(task(redone), LAST)
    another()
    assert len(snapshots(redone)) == 2
    assert held(redone).num_rows == 72


@pytest.mark.parametrize("took_place", [True, False])
def test_a_catalog_that_does_not_say_what_it_did(redone: Catalog, lake_folder: Path, took_place: bool) -> None:
    interfering = Interfering(redone)
    lost = [CommitStateUnknownException("504")]
    interfering.before, interfering.after = ([], lost) if took_place else (lost, [])
    done = expire_snapshots(task(redone), LAST)
    assert done.done["snapshots_expired"] == 4
    assert done.before.snapshots == 5
    data = {path for path in files_of_table(lake_folder) if path.endswith((".parquet", ".avro"))}
    assert data <= needed(table(redone))


def test_files_that_cannot_be_deleted_are_reported(redone: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.io.pyarrow import PyArrowFileIO

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(PyArrowFileIO, "delete", refuse)
    with pytest.raises(StorageError, match=r"12 of 12 files of telemetry\.cpu that are not needed any more"):
        expire_snapshots(task(redone), LAST)
    assert len(snapshots(redone)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("deleted", [0, 3])
def test_killed_before_all_files_are_deleted(
    redone: Catalog, lake_folder: Path, deleted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(redone)

    def dies(io: FileIO, files: Mapping[str, int], name: str) -> Deleted:
        delete_for_good(io, dict(islice(files.items(), deleted)), name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "delete_for_good", dies)
        with pytest.raises(KeyboardInterrupt):
            expire_snapshots(task(redone), LAST)
    assert len(snapshots(redone)) == 1
    assert held(redone) == before
    assert remove_orphans(task(redone, ahead=4 * DAY), OrphanOptions()).done["files_removed"] == 12 - deleted
    assert files_of_table(lake_folder) == needed(table(redone))


def test_a_table_whose_files_may_be_anothers_keeps_them(redone: Catalog, lake_folder: Path) -> None:
    with table(redone).transaction() as change:
        change.set_properties({"gc.enabled": "false"})
    there = files_of_table(lake_folder)
    done = expire_snapshots(task(redone), LAST)
    assert (done.is_something, done.after.snapshots) == (False, 5)
    assert "gc.enabled" in done.left[0]
    assert files_of_table(lake_folder) == there


def test_nothing_to_expire_makes_no_commit(redone: Catalog) -> None:
    location = table(redone).metadata_location
    assert expire_snapshots(task(redone), ExpireOptions()).done["snapshots_expired"] == 0
    assert table(redone).metadata_location == location


def clean_up_metadata(catalog: Catalog) -> None:
    """Delete the earlier metadata files, as another tool would."""
    for entry in table(catalog).metadata.metadata_log:
        Path(entry.metadata_file.removeprefix("file://")).unlink(missing_ok=True)
    forget()


def test_a_state_that_is_reported_as_a_change_is_known_without_its_base(catalog: Catalog) -> None:
    # Every other hour: a state that is long.
    for hour in range(0, 48, 2):
        replace(catalog, hours(0, hour, hour + 1), rows(hours(0, hour, hour + 1), 2))
    known = table_state(table(catalog)).coverage
    expire_snapshots(task(catalog), ExpireOptions(older_than=timedelta(0), keep_last=2))
    clean_up_metadata(catalog)
    assert table_state(table(catalog)).coverage == known
    assert len(kept_states(table(catalog).metadata)) == 1
    # So is that of the snapshot which it may be set back to.
    table(catalog).manage_snapshots().rollback_to_snapshot(snapshots(catalog)[0]).commit()
    clean_up_metadata(catalog)
    assert table_state(table(catalog)).coverage.intervals == known.intervals[:-1]
    replace(catalog, hours(0, 46, 47), rows(hours(0, 46, 47), 2))
    assert table_state(table(catalog)).coverage == known
    # Kept only as long as it is needed.
    replace(catalog, day(5), rows(day(5), 2))
    expire_snapshots(task(catalog), LAST)
    assert len(kept_states(table(catalog).metadata)) <= 1
    assert table_state(table(catalog)).coverage.holds(day(5))


def test_what_others_did_since_the_last_load_is_still_known(catalog: Catalog) -> None:
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 24))
    table(catalog).delete(EqualTo("host", "host-1"))
    table(catalog).append(table(catalog).scan().to_arrow().slice(0, 0))
    before = table_state(table(catalog))
    assert before.lost
    expire_snapshots(task(catalog), LAST)
    clean_up_metadata(catalog)
    after = table_state(table(catalog))
    assert len(snapshots(catalog)) == 1
    assert (after.coverage, after.lost, after.owner) == (before.coverage, before.lost, before.owner)
    assert [str(each) for each in after.earlier if each.may_take_rows] == [
        str(each) for each in before.changes if each.may_take_rows
    ]
    # Again, with nothing new; and after the windows were loaded anew.
    expire_snapshots(task(catalog), LAST)
    assert table_state(table(catalog)).lost == before.lost
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 24))
    expire_snapshots(task(catalog), LAST)
    clean_up_metadata(catalog)
    assert table_state(table(catalog)).coverage.intervals == (day(0, 3),)
    assert PROPERTY not in table(catalog).metadata.properties or not kept_states(table(catalog).metadata)


def test_a_snapshot_of_others_that_stays_keeps_the_load_before_it(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 24))
    replace(catalog, day(1), rows(day(1), 24))
    load = snapshots(catalog)[-1]
    table(catalog).delete(EqualTo("host", "host-1"))
    theirs = table(catalog).metadata.current_snapshot_id
    assert theirs is not None
    table(catalog).manage_snapshots().create_tag(theirs, "theirs").commit()
    replace(catalog, day(0), rows(day(0), 24))
    replace(catalog, day(1), rows(day(1), 24))
    expire_snapshots(task(catalog), LAST)
    assert load in snapshots(catalog)
    assert len(snapshots(catalog)) == 3
    table(catalog).manage_snapshots().set_current_snapshot(snapshot_id=theirs).commit()
    assert table_state(table(catalog)).lost


def test_loads_and_expiry_of_one_table_at_once_lose_to_nobody(redone: Catalog) -> None:
    interfering = Interfering(redone)
    interfering.before = [CommitFailedException("x")] * 40
    quick = task(redone)
    target = quick.target
    short = target.write.model_copy(update={"commit_timeout": timedelta(milliseconds=100)})
    with pytest.raises(CommitConflict, match=r"drop snapshots of telemetry\.cpu"):
        expire_snapshots(changed(quick, target=changed(target, write=short)), LAST)
    assert len(snapshots(redone)) == 5
