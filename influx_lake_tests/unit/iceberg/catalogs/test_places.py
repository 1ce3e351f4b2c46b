"""Where catalogs and tables lie: odd names of folders, and folders in which there was a table before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.cli.entry import run
from influx_lake.config.catalogs.options import DEFAULT_CATALOG, CatalogConfig
from influx_lake.errors import CopiedTable
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, replace, rows


def opened(root: Path) -> Catalog:
    properties = {key: text for key, text in DEFAULT_CATALOG.items() if key != "name"}
    return open_catalog("lake", CatalogConfig.of(properties, root=root).properties())


@pytest.mark.parametrize("name", ["a b", "a#b", "a%b", "a%20b", "a%23b", "a?b", "a?timeout=1", "ä&=+;'", "[a]*"])
def test_a_lake_lies_below_its_folder_whatever_that_is_called(name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    root.mkdir()
    replace(opened(root), day(0), rows(day(0), 10))
    assert (root / ".lake" / "catalog.db").is_file()
    assert len(list((root / ".lake" / "warehouse" / "telemetry" / "cpu" / "data").rglob("*.parquet"))) == 1
    assert [place.name for place in tmp_path.iterdir()] == [name]
    again = opened(root)
    assert replace(again, day(0), rows(day(0), 7)).previous_rows == 10
    assert len(held(again)) == 7


def test_the_successor_of_a_renamed_table_has_a_folder_of_its_own(tmp_path: Path) -> None:
    catalog = opened(tmp_path)
    replace(catalog, day(0), rows(day(0), 10))
    catalog.rename_table(TARGET.identifier, ("telemetry", "cpu_before"))
    made = replace(catalog, day(0), rows(day(0), 3)).table
    former = catalog.load_table(("telemetry", "cpu_before"))
    assert made.location() != former.location()
    assert not made.location().startswith(f"{former.location()}/")
    assert (len(made.scan().to_arrow()), len(former.scan().to_arrow())) == (3, 10)


def test_a_first_table_has_the_folder_of_its_name(tmp_path: Path) -> None:
    assert replace(opened(tmp_path), day(0), rows(day(0), 1)).table.location().endswith("/warehouse/telemetry/cpu")


def test_nobody_else_looks_into_the_lakes_own_folder(tmp_path: Path) -> None:
    replace(opened(tmp_path / "lake"), day(0), rows(day(0), 1))
    assert (tmp_path / "lake" / ".lake").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("before", "after"), [(0o755, 0o700), (0o777, 0o770), (0o2770, 0o2770), (0o750, 0o700)])
def test_a_lakes_own_folder_that_exists_is_closed_to_others(before: int, after: int, tmp_path: Path) -> None:
    (tmp_path / ".lake").mkdir()
    (tmp_path / ".lake").chmod(before)
    (tmp_path / ".lake" / "warehouse").mkdir(mode=0o755)
    replace(opened(tmp_path), day(0), rows(day(0), 1))
    assert (tmp_path / ".lake").stat().st_mode & 0o7777 == after


def test_a_folder_of_another_name_that_exists_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    open_catalog("lake", {"type": "sql", "uri": f"sqlite:///{tmp_path}/shared/c.db", "warehouse": str(tmp_path)})
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755


def test_a_copied_lake_does_not_write_to_the_original(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    replace(opened(original), day(0), rows(day(0), 10))
    shutil.copytree(original, copy)
    files = sorted(original.rglob("*"))
    with pytest.raises(CopiedTable, match="are those of another lake") as caught:
        replace(opened(copy), day(0), rows(day(0), 7))
    assert str(original) in caught.value.message
    assert sorted(original.rglob("*")) == files
    (copy / "lake.yaml").write_text(
        "sources: {default: {type: line_protocol, path: points, database: telemetry}}\n"
        "measurements: {cpu: {partition: {start: 2026-01-01}}}\n"
    )
    assert run(["check", "-c", str(copy / "lake.yaml")]) == 1
    assert "are those of another lake" in " ".join(capsys.readouterr().out.split())
    assert run(["status", "-c", str(copy / "lake.yaml")]) == 0
    assert "are those of another lake" in " ".join(capsys.readouterr().out.split())
    assert replace(opened(original), day(0), rows(day(0), 7)).previous_rows == 10


def test_a_moved_lake_is_written_to_through_a_link(tmp_path: Path) -> None:
    original, moved = tmp_path / "original", tmp_path / "moved"
    replace(opened(original), day(0), rows(day(0), 10))
    original.rename(moved)
    original.symlink_to(moved)
    assert replace(opened(moved), day(0), rows(day(0), 7)).previous_rows == 10


def test_a_table_may_lie_outside_of_a_warehouse_that_was_changed(tmp_path: Path) -> None:
    catalog = opened(tmp_path)
    replace(catalog, day(0), rows(day(0), 10))
    properties = {**catalog.properties, "warehouse": str(tmp_path / "other")}
    assert replace(open_catalog("lake", properties), day(0), rows(day(0), 7)).previous_rows == 10
