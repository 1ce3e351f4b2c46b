"""What is known of manifests without reading them is what is in the files."""

from __future__ import annotations

from unittest.mock import patch

import pyarrow as pa
import pytest
from pyiceberg import manifest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import read_manifest_list

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.columns.schema import iceberg_schema
from influx_lake.iceberg.scan import manifest_cache
from influx_lake.iceberg.scan.manifest_cache import manifests_of, planned_files
from influx_lake.iceberg.scan.planning import in_windows
from influx_lake_tests.unit.iceberg.tables import SCHEMA, day, replace, rows, table


def test_a_list_is_read_once_for_the_plan_and_the_commit_of_a_window(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 3))
    with patch.object(manifest, "read_manifest_list", wraps=read_manifest_list) as reading:
        for number in range(4):
            replace(catalog, day(number), rows(day(number), 3))
    assert reading.call_count == 0
    manifest_cache._lists.clear()
    with patch.object(manifest, "read_manifest_list", wraps=read_manifest_list) as reading:
        replace(catalog, day(9), rows(day(9), 3))
    assert reading.call_count == 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_list_that_was_written_is_known_as_it_would_be_read(catalog: Catalog, version: int) -> None:
    catalog.create_namespace("telemetry")
    schema = iceberg_schema(SCHEMA.set(0, pa.field("time", pa.timestamp("us", "UTC"))), "time")
    catalog.create_table("telemetry.cpu", schema, properties={"format-version": str(version)})
    for number in (0, 1, 1, 2, 0):
        replace(catalog, day(number), rows(day(number), 3 + number))
        there = table(catalog)
        snapshot = there.current_snapshot()
        assert snapshot is not None
        assert there.metadata.format_version == version
        known = manifests_of(snapshot, there.io)
        read = tuple(read_manifest_list(there.io.new_input(snapshot.manifest_list)))
        assert known == read
        assert [type(each.content) for each in known] == [type(each.content) for each in read]


@pytest.mark.parametrize("window", [day(0), day(1), day(0, 3), day(7)])
def test_a_plan_that_is_known_is_that_of_pyiceberg(catalog: Catalog, window: Window) -> None:
    for number in range(3):
        replace(catalog, day(number), rows(day(number), 3))
    for _ in range(2):
        for wanted in (in_windows([window], table(catalog), "time"), AlwaysTrue()):
            scan = table(catalog).scan(row_filter=wanted)
            paths = {task.file.file_path for task in scan.plan_files()}
            assert {task.file.file_path for task in planned_files(scan)} == paths
    replace(catalog, day(0), rows(day(0), 3, value=1.0))
    again = table(catalog).scan(row_filter=in_windows([day(0)], table(catalog), "time"))
    paths = {task.file.file_path for task in again.plan_files()}
    assert {task.file.file_path for task in planned_files(again)} == paths
