"""Orphans are found, on each store, and nothing else is."""

from __future__ import annotations

import uuid
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import BadRequestError, CommitFailedException, ForbiddenError

from influx_lake.config.maintenance.options import OrphanOptions
from influx_lake.errors import CatalogRefused, TableUnsupported
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.maintenance.remove_orphans import remove_orphans
from influx_lake.iceberg.storage import table_folders
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.maintenance.tasks import DAY, age, files_of_table, needed, task
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, replace, rows, table

OLD = OrphanOptions()


@pytest.fixture(autouse=True)
def folders_are_not_remembered() -> None:
    table_folders._known.clear()


@pytest.fixture
def loaded(catalog: Catalog) -> Catalog:
    for number in range(2):
        replace(catalog, day(number), rows(day(number), 24))
    return catalog


def folder(catalog: Catalog) -> Path:
    return Path(table(catalog).location().removeprefix("file://"))


def leave(catalog: Catalog, name: str, by: timedelta = 10 * DAY) -> Path:
    path = folder(catalog) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left")
    age(path, by)
    return path


def test_orphans_go_and_nothing_else(loaded: Catalog, lake_folder: Path) -> None:
    for path in files_of_table(lake_folder):
        age(path)
    there = files_of_table(lake_folder)
    left = [
        leave(loaded, f"data/time_day=2026-01-01/{uuid.uuid4()}.parquet"),
        leave(loaded, f"data/time_day=2099-01-01/deep/{uuid.uuid4()}.parquet"),
        leave(loaded, f"metadata/{uuid.uuid4()}-m0.avro"),
        leave(loaded, f"metadata/snap-1-0-{uuid.uuid4()}.avro"),
        leave(loaded, f"metadata/{uuid.uuid4()}.puffin"),
        leave(loaded, f"metadata/00007-{uuid.uuid4()}.metadata.json"),
        leave(loaded, "data/.gone.parquet.crc"),
    ]
    before = held(loaded)
    dry = remove_orphans(task(loaded, dry_run=True), OLD)
    assert all(path.exists() for path in left)
    done = remove_orphans(task(loaded), OLD)
    assert dry.done | {"orphans_after": 0} == done.done
    assert sorted(done.files) == sorted(map(str, left))
    assert done.done["files_removed"] == done.done["orphans_before"] == len(left)
    assert done.done["bytes_removed"] == 4 * len(left)
    assert files_of_table(lake_folder) == there == needed(table(loaded))
    assert held(loaded) == before


def test_a_table_whose_files_may_be_anothers_keeps_them(loaded: Catalog) -> None:
    with table(loaded).transaction() as change:
        change.set_properties({"gc.enabled": "false"})
    left = leave(loaded, f"data/{uuid.uuid4()}.parquet")
    done = remove_orphans(task(loaded), OLD)
    assert not done.is_something
    assert "gc.enabled" in done.left[0]
    assert left.exists()


def test_what_is_young_is_kept_and_told(loaded: Catalog) -> None:
    young = leave(loaded, f"data/{uuid.uuid4()}.parquet", 2 * DAY)
    done = remove_orphans(task(loaded), OLD)
    assert young.exists()
    assert (done.done["files_removed"], done.summary) == (0, "")
    assert done.done["files_found"] > 0
    assert done.left[0].startswith("1 file of no snapshot, not older than 3d:")
    assert remove_orphans(task(loaded, ahead=2 * DAY), OLD).done["files_removed"] == 1


def test_a_name_that_ends_early_in_a_uri_is_never_taken_for_another_files(
    properties: dict[str, str], lake_folder: Path
) -> None:
    catalog = open_catalog("lake", properties | {"warehouse": f"file://{lake_folder}/warehouse"})
    replace(catalog, day(0), rows(day(0), 24))
    for path in [*files_of_table(lake_folder)]:
        age(Path(path))
        longer = Path(f"{path}#{Path(path).name}")
        longer.write_bytes(b"left")
        age(longer)
    done = remove_orphans(task(catalog), OLD)
    assert done.done["orphans_before"] == 0
    assert needed(table(catalog)) <= files_of_table(lake_folder)
    assert held(catalog).num_rows == 24


def test_files_of_nobody_are_kept_and_told(loaded: Catalog) -> None:
    for name in ("README.md", "metadata/version-hint.text", "data/_SUCCESS"):
        leave(loaded, name)
    done = remove_orphans(task(loaded), OLD)
    assert done.done["files_removed"] == 0
    assert done.left[0].startswith("3 files that no table has, such as ")


def test_the_metadata_of_a_commit_that_lost_the_race(loaded: Catalog, lake_folder: Path) -> None:
    Interfering(loaded).before = [CommitFailedException("another was first")]
    location = table(loaded).metadata_location.removeprefix("file://")
    lost = Path(location).with_name(f"00002-{uuid.uuid4()}.metadata.json")
    lost.write_bytes(Path(location).read_bytes())
    age(lost)
    assert remove_orphans(task(loaded), OLD).files == (str(lost),)
    assert str(lost) not in files_of_table(lake_folder)


def test_files_that_another_spelling_of_the_folder_names(loaded: Catalog, lake_folder: Path) -> None:
    linked = lake_folder.with_name("linked")
    linked.symlink_to(lake_folder)
    (folder(loaded) / "data" / "elsewhere").symlink_to(lake_folder.parent)
    for path in files_of_table(lake_folder):
        age(path)
    through = table(loaded)
    location = str(folder(loaded)).replace(str(lake_folder), str(linked))
    from pyiceberg.table.update import SetLocationUpdate

    through._do_commit((SetLocationUpdate(location=f"file:{location}"),), ())
    assert remove_orphans(task(loaded), OLD).done["files_removed"] == 0


def test_a_table_in_another_ones_folder(loaded: Catalog) -> None:
    inner = f"{table(loaded).location()}/data/inner"
    loaded.create_table("telemetry.inner", table(loaded).schema(), location=inner)
    orphan = leave(loaded, f"data/{uuid.uuid4()}.parquet")
    with pytest.raises(TableUnsupported, match=r"telemetry\.cpu keeps its files in .*, and telemetry\.inner in"):
        remove_orphans(task(loaded), OLD)
    with pytest.raises(TableUnsupported):
        remove_orphans(task(loaded, target=changed(TARGET, identifier=("telemetry", "inner"))), OLD)
    assert orphan.exists()


def test_a_table_that_writes_to_another_ones_folder(loaded: Catalog) -> None:
    loaded.create_table(
        ("deep", "er"), table(loaded).schema(), properties={"write.data.path": f"file:{folder(loaded)}/data"}
    ) if loaded.create_namespace_if_not_exists(("deep",)) is None else None
    with pytest.raises(TableUnsupported, match=r"deep\.er"):
        remove_orphans(task(loaded), OLD)


@pytest.mark.parametrize(
    ("refusal", "seen"), [(BadRequestError("no namespaces in others"), True), (ForbiddenError("not yours"), False)]
)
def test_a_namespace_whose_tables_nobody_may_see(
    loaded: Catalog, refusal: Exception, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = loaded.list_namespaces

    def list_namespaces(parent: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        if parent:
            raise refusal
        return listed(parent)

    orphan = leave(loaded, f"data/{uuid.uuid4()}.parquet")
    monkeypatch.setattr(loaded, "list_namespaces", list_namespaces)
    if seen:
        assert remove_orphans(task(loaded), OLD).done["files_removed"] == 1
    else:
        with pytest.raises(CatalogRefused, match="list the namespaces"):
            remove_orphans(task(loaded), OLD)
    assert orphan.exists() is not seen


def test_metadata_of_a_table_that_is_not_in_the_catalog(loaded: Catalog, tmp_path: Path) -> None:
    other = open_catalog("other", {"type": "sql", "uri": f"sqlite:///{tmp_path}/other.db", "warehouse": str(tmp_path)})
    other.create_namespace("a")
    other.create_table("a.b", table(loaded).schema(), location=table(loaded).location())
    orphan = leave(loaded, f"data/{uuid.uuid4()}.parquet")
    with pytest.raises(TableUnsupported, match="is metadata of another table"):
        remove_orphans(task(loaded), OLD)
    assert orphan.exists()


def test_folders_beside_the_tables_own(catalog: Catalog, lake_folder: Path) -> None:
    beside = lake_folder / "beside"
    target = changed(TARGET, properties={"write.data.path": f"file://{beside}"})
    replace(catalog, day(0), rows(day(0), 24), target=target)
    orphan = beside / f"{uuid.uuid4()}.parquet"
    orphan.write_bytes(b"left")
    for path in beside.rglob("*.parquet"):
        age(path)
    assert remove_orphans(task(catalog), OLD).files == (f"file://{orphan}",)
    assert held(catalog).num_rows == 24


def test_a_load_that_commits_while_files_are_listed(loaded: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    from influx_lake.iceberg.maintenance import remove_orphans as module

    check = module.check_of_table

    def load_first(*arguments: object) -> None:
        check(*arguments)  # type: ignore[arg-type]
        replace(loaded, day(5), rows(day(5), 24))

    monkeypatch.setattr(module, "check_of_table", load_first)
    remove_orphans(task(loaded, ahead=100 * DAY), OLD)
    assert held(loaded).num_rows == 72


def test_by_the_way_of_fsspec(loaded: Catalog, properties: dict[str, str], lake_folder: Path) -> None:
    properties = properties | {"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}
    orphan = leave(loaded, f"data/{uuid.uuid4()}.parquet")
    for path in files_of_table(lake_folder):
        age(path)
    there = needed(table(loaded))
    assert remove_orphans(task(open_catalog("lake", properties)), OLD).files == (str(orphan),)
    assert files_of_table(lake_folder) == there
