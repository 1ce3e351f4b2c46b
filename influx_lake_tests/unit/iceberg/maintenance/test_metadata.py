"""Metadata files of earlier states go, but for the newest."""

from __future__ import annotations

from dataclasses import replace as changed
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config.maintenance.options import MetadataOptions
from influx_lake.iceberg.maintenance.metadata import KEPT, metadata
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.maintenance.tasks import DAY, age, task
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, replace, rows, table

TWENTY = MetadataOptions(keep_last=20)


def files(lake_folder: Path) -> list[Path]:
    return sorted(lake_folder.rglob("*.metadata.json"))


def loaded(catalog: Catalog, times: int, target: TableTarget = TARGET) -> None:
    for _ in range(times):
        replace(catalog, day(0), rows(day(0), 2), target=target)


@pytest.mark.parametrize("by_itself", ["true", "false"])
def test_the_newest_stay_and_are_those_that_the_table_names(
    by_itself: str, catalog: Catalog, lake_folder: Path
) -> None:
    target = changed(TARGET, properties={"write.metadata.delete-after-commit.enabled": by_itself})
    loaded(catalog, 30, target)
    assert len(files(lake_folder)) == 31
    dry = metadata(task(catalog, dry_run=True), TWENTY)
    done = metadata(task(catalog), TWENTY)
    assert dry.done["files_removed"] == 10
    assert done.done["files_removed"] == 11
    named = [entry.metadata_file for entry in table(catalog).metadata.metadata_log]
    there = sorted(path.removeprefix("file://") for path in [*named, table(catalog).metadata_location])
    assert there == [str(path) for path in files(lake_folder)]
    assert len(named) == 20
    loaded(catalog, 1)
    assert len(table(catalog).metadata.metadata_log) == 20
    # What is not named any more, and is young, may be that of a commit that is being made.
    assert metadata(task(catalog), TWENTY).done["files_removed"] == 0
    assert metadata(task(catalog, ahead=2 * DAY), TWENTY).done["files_removed"] == (by_itself == "false")
    assert table_state(table(catalog)).coverage.holds(day(0))
    assert held(catalog).num_rows == 2


def test_what_lake_yaml_says_of_the_table_goes_first(catalog: Catalog, lake_folder: Path) -> None:
    target = changed(TARGET, properties={KEPT: "25"})
    loaded(catalog, 28)
    metadata(task(catalog, target=target), TWENTY)
    assert table(catalog).metadata.properties[KEPT] == "25"
    assert len(files(lake_folder)) == 26


def test_metadata_of_another_table_stay(catalog: Catalog, lake_folder: Path) -> None:
    loaded(catalog, 1)
    name = Path(table(catalog).metadata_location).with_name("00000-x.metadata.json").as_posix()
    other = Path(name.removeprefix("file:"))
    text = Path(table(catalog).metadata_location.removeprefix("file://")).read_text()
    other.write_text(text.replace(str(table(catalog).metadata.table_uuid), "b5c6a8f0-0000-4000-8000-000000000000"))
    age(other)
    done = metadata(task(catalog), MetadataOptions())
    assert other.exists()
    assert done.left == ("1 metadata file of another table in the same folder",)


def test_nothing_to_do_makes_no_commit(catalog: Catalog) -> None:
    loaded(catalog, 2)
    location = table(catalog).metadata_location
    assert metadata(task(catalog), MetadataOptions()).done["files_removed"] == 0
    assert table(catalog).metadata_location == location
