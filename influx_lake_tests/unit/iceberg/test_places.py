"""Where catalogs and tables lie: odd names of folders, and folders in which there was a table before."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.catalog import DEFAULT_CATALOG, CatalogConfig
from influx_lake.iceberg.catalog import open_catalog
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


def test_a_folder_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / ".lake").mkdir(mode=0o755)
    replace(opened(tmp_path), day(0), rows(day(0), 1))
    assert (tmp_path / ".lake").stat().st_mode & 0o777 == 0o755
