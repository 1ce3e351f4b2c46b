"""Rows that are erased are in no file of the table any more, and do not come back."""

from __future__ import annotations

from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException

from influx_lake.config.measurements.erased import ErasedRows
from influx_lake.config.values.windows import Window
from influx_lake.errors import CommitConflict, RowsStillThere, TableUnsupported
from influx_lake.iceberg.erasing.erase import ErasedFrom, erase_rows
from influx_lake.iceberg.erasing.matching import Matching
from influx_lake.iceberg.load.replace import replace_window
from influx_lake.iceberg.scan.reader import open_table
from influx_lake.iceberg.storage import table_folders
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.table_state.coverage import Coverage
from influx_lake.iceberg.table_state.erased_rows import erased_from
from influx_lake_tests.unit.iceberg.compaction.deletes import delete_rows
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.load import shared_rows
from influx_lake_tests.unit.iceberg.load.shared_rows import CPU, MEM
from influx_lake_tests.unit.iceberg.maintenance.tasks import age, files_of_table, needed, snapshots, task
from influx_lake_tests.unit.iceberg.tables import PROVENANCE, SCHEMA, TARGET, day, held, replace, rows, stream, table
from testbed.loads import load_of

HOST = ErasedRows(where="host = 'host-3'")


@pytest.fixture(autouse=True)
def folders_are_not_remembered() -> None:
    table_folders._known.clear()


@pytest.fixture
def loaded(catalog: Catalog) -> Catalog:
    """Three days, the second one loaded twice."""
    for number in (0, 1, 1, 2):
        replace(catalog, day(number), rows(day(number), 70))
    return catalog


def of_host(window: Window | None = None) -> Matching:
    return Matching(("host",), lambda batch: pc.equal(batch.column("host"), "host-3"), window)


def erase(catalog: Catalog, *, window: Window | None = None, dry_run: bool = False, tags: bool = False) -> ErasedFrom:
    asked = HOST if window is None else ErasedRows(where=HOST.where, start=window.start, end=window.end)
    return erase_rows(task(catalog, dry_run=dry_run), asked, of_host(window), include_refs=tags)


def hosts_in_files(folder: Path) -> list[str]:
    """The host of every row of every data file that is there, whatever names it."""
    files = [path for path in files_of_table(folder) if path.endswith(".parquet")]
    return [host for path in files for host in pq.read_table(path, columns=["host"]).column(0).to_pylist()]


def test_a_table_whose_files_may_be_anothers_is_left(loaded: Catalog) -> None:
    with table(loaded).transaction() as change:
        change.set_properties({"gc.enabled": "false"})
    before = table(loaded).metadata_location
    with pytest.raises(TableUnsupported, match=r"gc\.enabled"):
        erase(loaded)
    assert table(loaded).metadata_location == before


def test_rows_are_in_no_file_any_more(loaded: Catalog, lake_folder: Path) -> None:
    before, known = held(loaded), table_state(table(loaded))
    done = erase(loaded)
    assert (done.rows, done.files_rewritten, done.snapshots_expired) == (30, 3, 4)
    assert held(loaded) == before.filter(pc.not_equal(before.column("host"), "host-3"))
    assert "host-3" not in hosts_in_files(lake_folder)
    assert len(hosts_in_files(lake_folder)) == 180
    assert files_of_table(lake_folder) == needed(table(loaded))
    # Nor are they among the bounds that manifests tell of files, those of files that went included.
    for manifest in table(loaded).current_snapshot().manifests(table(loaded).io):  # type: ignore[union-attr]
        assert not [entry for entry in manifest.fetch_manifest_entry(table(loaded).io, False) if entry.status == 2]
    after = table_state(table(loaded))
    assert (after.coverage, after.owner, after.lost, after.altered) == (known.coverage, known.owner, (), ())
    assert erased_from(table(loaded)) == (HOST,)


def test_a_dry_run_changes_nothing(loaded: Catalog, lake_folder: Path) -> None:
    there, location = files_of_table(lake_folder), table(loaded).metadata_location
    dry = erase(loaded, dry_run=True)
    assert (files_of_table(lake_folder), table(loaded).metadata_location) == (there, location)
    done = erase(loaded)
    assert (dry.rows, dry.files_rewritten, dry.snapshots_expired) == (
        done.rows,
        done.files_rewritten,
        done.snapshots_expired,
    )
    assert sorted(dry.had_rows) == sorted(done.had_rows)
    assert len(dry.had_rows) == 4


def test_only_rows_of_a_time(loaded: Catalog, lake_folder: Path) -> None:
    clean = {task.file.file_path for task in table(loaded).scan().plan_files() if "01-03" in task.file.file_path}
    done = erase(loaded, window=Window(day(0).start, day(1).end))
    assert (done.rows, done.files_rewritten) == (20, 2)
    assert hosts_in_files(lake_folder).count("host-3") == 10
    assert clean <= {task.file.file_path for task in table(loaded).scan().plan_files()}
    assert len(clean) == 1


@pytest.mark.slow
def test_done_again_it_does_nothing(loaded: Catalog) -> None:
    erase(loaded)
    location = table(loaded).metadata_location
    again = erase(loaded)
    assert (again.rows, again.files_rewritten, again.snapshots_expired, again.files_deleted) == (0, 0, 0, 0)
    assert again.files_checked == 3
    assert table(loaded).metadata_location == location


@pytest.mark.slow
def test_rows_that_only_earlier_snapshots_have(loaded: Catalog, lake_folder: Path) -> None:
    some = pc.not_equal(rows(day(1), 70).column("host"), "host-3")
    for number in range(3):
        replace(loaded, day(number), rows(day(number), 70).filter(some))
    before = held(loaded)
    done = erase(loaded)
    # The newest snapshot names the file that it replaced, with the bounds of its columns.
    assert (done.rows, done.files_rewritten, done.snapshots_expired) == (0, 0, 7)
    assert len(snapshots(loaded)) == 1
    assert held(loaded) == before
    assert "host-3" not in hosts_in_files(lake_folder)
    assert erased_from(table(loaded)) == (HOST,)


def test_no_manifest_has_the_bounds_of_files_that_were_replaced(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 70))
    replace(catalog, day(0), rows(day(0), 2))
    replace(catalog, day(1), rows(day(1), 2))
    done = erase(catalog)
    assert (done.rows, done.snapshots_expired) == (0, 2)
    there = table(catalog)
    for snapshot in there.snapshots():
        for manifest in snapshot.manifests(there.io):
            assert not [entry for entry in manifest.fetch_manifest_entry(there.io, False) if entry.status == 2]
    assert table_state(there).coverage == Coverage((day(0, 2),))
    assert len(snapshots(catalog)) == 1


def test_a_tag_or_branch_that_has_them(loaded: Catalog, lake_folder: Path) -> None:
    first = snapshots(loaded)[0]
    with table(loaded).manage_snapshots() as managing:
        managing.create_tag(first, "audit").create_branch(snapshots(loaded)[1], "trial")
    there = files_of_table(lake_folder)
    with pytest.raises(RowsStillThere, match="audit, trial have rows that are to be erased; nothing was done"):
        erase(loaded)
    assert held(loaded).num_rows == 210
    assert {path for path in there if path.endswith(".parquet")} <= files_of_table(lake_folder)
    done = erase(loaded, tags=True)
    assert done.refs_dropped == ("audit", "trial")
    assert list(table(loaded).refs()) == ["main"]
    assert "host-3" not in hosts_in_files(lake_folder)


@pytest.mark.slow
def test_a_tag_that_has_none_is_kept(loaded: Catalog) -> None:
    erase(loaded)
    table(loaded).manage_snapshots().create_tag(snapshots(loaded)[-1], "clean").commit()
    replace(loaded, day(5), rows(day(5), 3))
    assert ErasedRows(where="host = 'host-1'") not in erased_from(table(loaded))
    erase(loaded)
    assert "clean" in table(loaded).refs()


@pytest.mark.slow
def test_files_of_loads_that_failed(loaded: Catalog, lake_folder: Path) -> None:
    folder = Path(table(loaded).location().removeprefix("file://")) / "data"
    old, young = folder / "old.parquet", folder / "young.parquet"
    one = next(path for path in files_of_table(lake_folder) if path.endswith(".parquet"))
    for path in (old, young):
        path.write_bytes(Path(one).read_bytes())
    age(old)
    with pytest.raises(RowsStillThere, match=r"1 files of no snapshot have, which are younger than a day"):
        erase(loaded)
    assert (old.exists(), young.exists()) == (False, True)
    age(young)
    assert erase(loaded).files_deleted == 1
    assert "host-3" not in hosts_in_files(lake_folder)


def test_files_that_are_cut_short_or_have_no_field_ids(loaded: Catalog, lake_folder: Path) -> None:
    folder = Path(table(loaded).location().removeprefix("file://")) / "data"
    cut, exported, clean, other = (folder / f"{name}.parquet" for name in ("cut", "exported", "clean", "other"))
    one = next(path for path in files_of_table(lake_folder) if path.endswith(".parquet"))
    cut.write_bytes(Path(one).read_bytes()[:-100])
    plain = pa.table({"time": rows(day(0), 7)["time"], "host": rows(day(0), 7)["host"]})
    pq.write_table(plain, exported)
    pq.write_table(plain.slice(0, 2), clean)
    pq.write_table(pa.table({"x": [1]}), other)
    for path in (cut, exported, clean, other):
        age(path)
    erase(loaded)
    assert [path.exists() for path in (cut, exported, clean, other)] == [False, False, True, True]


def test_rows_that_deletes_of_others_hide(loaded: Catalog, lake_folder: Path) -> None:
    [file] = [each.file for each in table(loaded).scan().plan_files() if "01-03" in each.file.file_path]
    there = pq.read_table(file.file_path.removeprefix("file://"), columns=["host"])["host"].to_pylist()
    hidden = [place for place, host in enumerate(there) if host in ("host-3", "host-4")]
    delete_rows(loaded, [(file, hidden)])
    [deletes] = [path for path in files_of_table(lake_folder) if "deletes-" in path]
    # Such a file that a load of others left behind is none of rows.
    lost = Path(deletes).with_name("lost.parquet")
    lost.write_bytes(Path(deletes).read_bytes())
    assert held(loaded).num_rows == 190
    assert erase(loaded).rows == 30
    lost.unlink()
    assert not Path(deletes).exists()
    assert held(loaded).num_rows == 170
    assert hosts_in_files(lake_folder).count("host-3") == 0
    # What others deleted stays deleted, and left the file with them.
    assert hosts_in_files(lake_folder).count("host-4") == 20


def test_rows_of_one_measurement_of_a_shared_table(catalog: Catalog) -> None:
    points = {(step, host): 1.0 for step in range(4) for host in ("a", "b")}
    for measurement in (CPU, MEM):
        shared_rows.replace(catalog, measurement, day(0), points)
    share = shared_rows.target(CPU).share
    matching = Matching(("host",), lambda batch: pc.equal(batch.column("host"), "a"), share=share)
    whole = changed(shared_rows.target(CPU), share=None)
    asked = ErasedRows(where="host = 'a'")
    assert erase_rows(task(catalog, target=whole), asked, matching).rows == 4
    there = open_table(catalog, whole.identifier).scan().to_arrow()
    assert there.filter(pc.equal(there.column("measurement"), CPU)).column("host").to_pylist() == ["b"] * 4
    assert there.filter(pc.equal(there.column("measurement"), MEM)).num_rows == 8
    assert erased_from(open_table(catalog, whole.identifier, share)) == (asked,)
    assert erased_from(open_table(catalog, whole.identifier, shared_rows.target(MEM).share)) == ()


@pytest.mark.slow
@pytest.mark.parametrize("took_place", [True, False])
def test_a_catalog_that_does_not_say_what_it_did(loaded: Catalog, lake_folder: Path, took_place: bool) -> None:
    lost = [CommitStateUnknownException("504")]
    interfering = Interfering(loaded)
    interfering.before, interfering.after = ([], lost) if took_place else (lost, [])
    assert erase(loaded).rows == 30
    assert "host-3" not in hosts_in_files(lake_folder)


@pytest.mark.slow
def test_a_load_that_is_first(loaded: Catalog, lake_folder: Path) -> None:
    interfering = Interfering(loaded)
    interfering.before = [CommitFailedException("another was first")]
    commit = interfering.commit_table

    def another_first(*arguments: object) -> object:
        interfering.commit_table = commit
        loaded.commit_table = commit  # type: ignore[method-assign]
        replace(loaded, day(3), rows(day(3), 70))
        loaded.commit_table = interfering  # type: ignore[method-assign,assignment]
        return commit(*arguments)

    interfering.commit_table = another_first
    assert erase(loaded).rows == 40
    assert "host-3" not in hosts_in_files(lake_folder)
    assert held(loaded).num_rows == 240


def test_a_load_that_read_them_before_is_refused(loaded: Catalog, lake_folder: Path) -> None:
    def reading() -> object:
        yield rows(day(1), 70)
        erase(loaded)

    coming = stream(rows(day(1), 70))
    coming.batches = reading()  # type: ignore[assignment]
    knowing = changed(TARGET, erased=())
    with pytest.raises(CommitConflict, match="were erased while the window was read"):
        replace_window(load_of(loaded, knowing, coming, day(1), PROVENANCE))
    assert held(loaded).num_rows == 180
    assert "host-3" not in hosts_in_files(lake_folder)
    left_out = pa.Table.from_batches([rows(day(1), 70)], SCHEMA)
    left_out = left_out.filter(pc.not_equal(left_out.column("host"), "host-3"))
    replace(loaded, day(1), *left_out.to_batches(), target=changed(TARGET, erased=(HOST,)))
    assert held(loaded).num_rows == 180
