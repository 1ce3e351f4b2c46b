"""The SQL catalog that keeps what it knows: nothing stale, nothing different, nothing read twice."""

from __future__ import annotations

from copy import deepcopy
from unittest.mock import patch

from pyiceberg.catalog import Catalog
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import StaticTable

from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.catalogs.sql_catalog import TABLES_KEPT
from influx_lake.iceberg.target import TableTarget
from influx_lake_tests.unit.iceberg.tables import day, replace, rows, table


def load(catalog: Catalog, days: int) -> None:
    for number in range(days):
        replace(catalog, day(number), rows(day(number), 3))


def test_what_is_kept_is_what_the_file_says(catalog: Catalog) -> None:
    load(catalog, 4)
    kept = table(catalog)
    assert kept.metadata == StaticTable.from_metadata(kept.metadata_location).metadata
    assert (
        kept.metadata.model_dump_json() == StaticTable.from_metadata(kept.metadata_location).metadata.model_dump_json()
    )


def test_no_metadata_file_is_read_again(catalog: Catalog) -> None:
    load(catalog, 1)
    with patch.object(FromInputFile, "table_metadata", wraps=FromInputFile.table_metadata) as reading:
        load(catalog, 3)
    assert not reading.call_count


def test_another_writers_commit_is_seen_at_once(catalog: Catalog, properties: dict[str, str]) -> None:
    other = open_catalog("lake", properties)
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 3))
        assert replace(other, day(number), rows(day(number), 5)).previous_rows == 3
        assert replace(catalog, day(number), rows(day(number), 7)).previous_rows == 5
    assert table(catalog).metadata == table(other).metadata


def test_a_commit_leaves_the_metadata_that_others_hold_as_it_was(catalog: Catalog) -> None:
    load(catalog, 1)
    before = table(catalog)
    said = before.metadata.model_dump_json()
    load(catalog, 3)
    assert before.metadata.model_dump_json() == said
    assert len(table(catalog).metadata.snapshots) == 4


def test_a_copy_of_metadata_has_the_same_snapshots(catalog: Catalog) -> None:
    load(catalog, 3)
    metadata = table(catalog).metadata
    copied = deepcopy(metadata)
    assert all(one is other for one, other in zip(metadata.snapshots, copied.snapshots, strict=True))


def test_the_log_of_metadata_stays_short(catalog: Catalog) -> None:
    load(catalog, 1)
    with table(catalog).transaction() as change:
        change.set_properties({"write.metadata.previous-versions-max": "2"})
    load(catalog, 5)
    kept = table(catalog)
    assert len(kept.metadata.metadata_log) == 2
    assert kept.metadata == StaticTable.from_metadata(kept.metadata_location).metadata


def test_of_many_tables_the_oldest_is_read_again(catalog: Catalog) -> None:
    targets = [TableTarget(("telemetry", f"t{number}")) for number in range(TABLES_KEPT + 1)]
    for target in targets:
        replace(catalog, day(0), rows(day(0), 2), target=target)
    with patch.object(FromInputFile, "table_metadata", wraps=FromInputFile.table_metadata) as reading:
        assert table(catalog, targets[-1]).metadata.snapshots
        assert not reading.call_count
        assert table(catalog, targets[0]).metadata.snapshots
        assert reading.call_count == 1
