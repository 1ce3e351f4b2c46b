"""Windows compared value by value: what profiles cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from pyiceberg.catalog import Catalog

from influx_lake.config import OnShrink
from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan.reader import find_table
from influx_lake.replication.comparison.compare_windows import Comparison, Depth, Verdict, compare_windows
from influx_lake.replication.comparison.late_after_offload import late_points
from influx_lake.replication.comparison.stored_digests import stored_digest
from influx_lake.replication.window import replicate_window
from influx_lake_tests.unit.transforms.memory_source import DAY, MemorySource, Row, at, measurement

CPU = replace(measurement(), on_shrink=OnShrink.REPLACE)
Change = Callable[[list[Row]], None]


def rows() -> list[Row]:
    return [
        {"time": at(second), "host": host, "region": None, "busy": float(second % 7), "count": second, "text": "é" * 3}
        for second in range(40)
        for host in "ab"
    ]


def compared(source: MemorySource, catalog: Catalog, depth: Depth) -> Comparison:
    [found] = compare_windows(source, catalog, CPU, [DAY], depth=lambda _: depth)
    return found


@pytest.fixture
def loaded(catalog: Catalog) -> MemorySource:
    source = MemorySource(rows())
    source.rows[0]["busy"] = 0.0
    replicate_window(source, catalog, CPU, DAY, run_id="1")
    return source


def test_equal(loaded: MemorySource, catalog: Catalog) -> None:
    loaded.rows.reverse()
    loaded.batch_rows = 7
    assert compared(loaded, catalog, Depth.VALUES).verdict is Verdict.EQUAL


def exchange(name: str) -> Change:
    def change(found: list[Row]) -> None:
        found[3][name], found[10][name] = found[10][name], found[3][name]

    return change


def put(name: str, value: object) -> Change:
    def change(found: list[Row]) -> None:
        found[0][name] = value

    return change


def instead(found: list[Row]) -> None:
    """Another point in the place of one."""
    found[5] = {**found[5], "time": at(3000)}


def a_nanosecond_later(found: list[Row]) -> None:
    found[5] = {**found[5], "time": found[5]["time"] + 1}


@pytest.mark.parametrize(
    ("change", "columns", "profiles_tell"),
    [
        (exchange("busy"), ("busy",), False),
        (exchange("count"), ("count",), False),
        (put("busy", -0.0), ("busy",), False),
        (put("text", "ñññ"), ("text",), True),
        (put("count", None), ("count",), True),
        (put("on", False), ("on",), True),
        (instead, ("time", "host", "region"), True),
        (a_nanosecond_later, ("time", "time_ns", "host", "region"), False),
    ],
)
def test_any_other_value_is_found(
    loaded: MemorySource, catalog: Catalog, change: Change, columns: tuple[str, ...], profiles_tell: bool
) -> None:
    change(loaded.rows)
    found = compared(loaded, catalog, Depth.VALUES)
    assert (found.verdict, found.changed) == (Verdict.CHANGED, columns)
    assert bool(compared(loaded, catalog, Depth.PROFILE).changed) == profiles_tell


def test_loading_again_makes_it_equal(loaded: MemorySource, catalog: Catalog) -> None:
    exchange("busy")(loaded.rows)
    replicate_window(loaded, catalog, CPU, DAY, run_id="2")
    assert compared(loaded, catalog, Depth.VALUES).verdict is Verdict.EQUAL


def test_rows_from_before_the_table_had_whole_times(loaded: MemorySource, catalog: Catalog) -> None:
    before = compared(loaded, catalog, Depth.VALUES).values
    other = Window(DAY.end, DAY.end + timedelta(days=1))
    fine = MemorySource([{**loaded.rows[0], "time": at(86_400) + 7}])
    replicate_window(fine, catalog, CPU, other, run_id="2")
    table = find_table(catalog, CPU.identifier)
    assert table is not None
    assert table.scan().to_arrow().column("time_ns").null_count == len(loaded.rows)
    found = compared(loaded, catalog, Depth.VALUES)
    assert found.verdict is Verdict.EQUAL
    snapshot = table.current_snapshot()
    assert found.values is not None
    assert snapshot is not None
    assert before is not None
    assert found.values.lake.whole == before.lake.whole
    assert found.values.lake.whole == stored_digest(table, CPU, DAY, snapshot.snapshot_id, found.values.key)
    assert late_points(loaded, table, CPU, DAY).missing == 0
    a_nanosecond_later(loaded.rows)
    assert compared(loaded, catalog, Depth.VALUES).verdict is Verdict.CHANGED
