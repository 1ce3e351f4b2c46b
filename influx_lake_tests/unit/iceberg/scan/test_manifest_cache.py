"""What is known of manifests without reading them is what is in the files."""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg import manifest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import ManifestFile, read_manifest_list

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan import manifest_cache
from influx_lake.iceberg.scan.manifest_cache import manifests_of, planned_files
from influx_lake.iceberg.scan.planning import in_windows
from influx_lake_tests.unit.iceberg.tables import day, replace, rows, table

FIELDS = len(manifest.MANIFEST_LIST_FILE_SCHEMAS[2].fields)


def values(manifests: Sequence[ManifestFile]) -> list[list[object]]:
    def plain(value: object) -> object:
        if isinstance(value, list):
            return [[part[at] for at in range(4)] for part in value]
        return value

    return [[plain(each[at]) for at in range(FIELDS)] for each in manifests]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loads=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=8), merge=st.integers(2, 5))
def test_a_list_that_was_written_is_known_as_it_is_read(
    catalog: Catalog, loads: list[tuple[int, int]], merge: int
) -> None:
    replace(catalog, day(0), rows(day(0), 3))
    with table(catalog).transaction() as changed:
        changed.set_properties({"commit.manifest.min-count-to-merge": str(merge)})
    for number, count in loads:
        replace(catalog, day(number), rows(day(number), count))
        found = table(catalog)
        snapshot = found.current_snapshot()
        assert snapshot is not None
        assert snapshot.manifest_list in manifest_cache._lists
        read = list(read_manifest_list(found.io.new_input(snapshot.manifest_list)))
        assert values(manifests_of(snapshot, found.io)) == values(read)


def test_no_list_is_read_while_windows_are_loaded(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 3))
    with patch.object(manifest, "read_manifest_list", wraps=read_manifest_list) as reading:
        for number in range(4):
            replace(catalog, day(number), rows(day(number), 3))
    assert not reading.call_count


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
