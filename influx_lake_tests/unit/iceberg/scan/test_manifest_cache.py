"""What is known of manifests without reading them is what is in the files."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from pyiceberg import manifest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import read_manifest_list

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan.manifest_cache import planned_files
from influx_lake.iceberg.scan.planning import in_windows
from influx_lake_tests.unit.iceberg.tables import day, replace, rows, table


def test_a_list_is_read_once_for_the_plan_and_the_commit_of_a_window(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 3))
    with patch.object(manifest, "read_manifest_list", wraps=read_manifest_list) as reading:
        for number in range(4):
            replace(catalog, day(number), rows(day(number), 3))
    assert reading.call_count == 4


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
