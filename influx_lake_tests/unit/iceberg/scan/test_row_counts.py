"""Rows counted by window, from metadata where that is possible."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from influx_lake.config.values.windows import Window
from influx_lake.iceberg.scan import row_counts
from influx_lake.iceberg.scan.row_counts import count_by_window
from influx_lake_tests.unit.iceberg.tables import day, held, hours, replace, rows, table


def test_files_inside_windows_are_not_opened(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        replace(catalog, day(number), rows(day(number), 10 + number))

    def refuse(*arguments: Any) -> None:
        raise AssertionError("a data file is read")

    monkeypatch.setattr(row_counts, "read_tasks", refuse)
    assert count_by_window(table(catalog), [day(0), day(1), day(3), day(7)]) == [10, 11, 13, 0]
    assert count_by_window(table(catalog), []) == []


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    loaded=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), min_size=1, max_size=3),
    cuts=st.sets(st.integers(0, 60), min_size=2, max_size=8),
    left_out=st.integers(0, 8),
)
def test_files_across_bounds_are_counted_row_by_row(
    catalog: Catalog, loaded: list[tuple[int, int]], cuts: set[int], left_out: int
) -> None:
    for first, length in loaded:
        window = hours(0, first, first + length)
        replace(catalog, window, rows(window, 7 * length))
    ends = sorted(cuts)
    windows = [hours(0, *pair) for pair in pairwise(ends)]
    del windows[left_out : left_out + 1]
    expected = [held(catalog, [window]).num_rows for window in windows]
    assert count_by_window(table(catalog), windows) == expected


def test_a_window_ends_before_its_end(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 24))
    start = day(0).start
    windows = [Window(start, start + timedelta(hours=1)), Window(start + timedelta(hours=1), day(0).end)]
    assert count_by_window(table(catalog), windows) == [1, 23]
