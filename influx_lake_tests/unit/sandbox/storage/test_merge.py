"""Last write wins, whatever the order of writes and however runs are cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.sandbox.storage import merge
from influx_lake.sandbox.storage.columns import TIME, Kind, arrow_schema
from influx_lake.sandbox.storage.table import Table

COLUMNS = {TIME: Kind.TIME, "host": Kind.TAG, "f": Kind.FLOAT, "f_last": Kind.STRING}
Point = tuple[int, str | None, float | None, str | None]


def table_of(points: list[Point]) -> pa.Table:
    schema = arrow_schema("m", COLUMNS)
    times, hosts, floats, strings = zip(*points, strict=True) if points else ((), (), (), ())
    columns = {
        TIME: pa.array(times, pa.int64()).cast(pa.timestamp("ns")),
        "host": pa.array(hosts, pa.string()).dictionary_encode(),
        "f": pa.array(floats, pa.float64()),
        "f_last": pa.array(strings, pa.string()),
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def state(runs: list[merge.Run] | tuple[merge.Run, ...]) -> dict[tuple[int, str | None], tuple[Any, Any]]:
    found = {}
    for run in runs:
        assert run.table is not None
        table = run.table
        times = table.column(TIME).cast(pa.int64()).to_pylist()
        assert times == sorted(times)
        assert (run.first, run.last, run.rows) == (times[0], times[-1], len(times))
        for time, row in zip(times, table.drop_columns([TIME]).to_pylist(), strict=True):
            assert (time, row["host"]) not in found
            found[time, row["host"]] = (row["f"], row["f_last"])
    return found


_points = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from(["a", "b", None]),
        st.one_of(st.none(), st.integers(0, 9).map(float)),
        st.one_of(st.none(), st.sampled_from(["x", "y"])),
    ),
    min_size=1,
    max_size=12,
)


@given(st.lists(st.tuples(_points, st.booleans()), max_size=8), st.integers(1, 6))
def test_any_sequence_of_writes_equals_a_dictionary(writes: list[tuple[list[Point], bool]], run_rows: int) -> None:
    model: dict[tuple[int, str | None], tuple[Any, Any]] = {}
    table = Table("m", clock=lambda: 0.0)
    with mock.patch.object(merge, "RUN_ROWS", run_rows):
        for points, look in writes:
            table.append(table_of(points), COLUMNS, 0)
            for time, host, value, text in points:
                old = model.get((time, host), (None, None))
                model[time, host] = (old[0] if value is None else value, old[1] if text is None else text)
            if look:
                assert state(table.snapshot().runs) == model
        runs = table.snapshot().runs
    assert state(runs) == model
    assert all(before.last < after.first for before, after in pairwise(runs))


def test_writes_at_the_end_touch_only_the_last_run() -> None:
    table = Table("m", clock=lambda: 0.0)
    with mock.patch.object(merge, "RUN_ROWS", 100):
        table.append(table_of([(n, "a", 1.0, None) for n in range(500)]), COLUMNS, 0)
        before = table.snapshot().runs
        table.append(table_of([(n, "a", 2.0, None) for n in range(495, 505)]), COLUMNS, 0)
        after = table.snapshot().runs
    assert len(before) == 5
    assert all(one is other for one, other in zip(before[:4], after[:4], strict=True))
    assert sum(run.rows for run in after) == 505


def test_points_of_one_time_stay_in_one_run() -> None:
    with mock.patch.object(merge, "RUN_ROWS", 10):
        runs = merge.cut(table_of([(n // 8, f"h{n % 8}", 1.0, None) for n in range(80)]))
    assert len(runs) > 1
    assert all(before.last < after.first for before, after in pairwise(runs))


def test_columns_that_come_later_are_null_before() -> None:
    table = Table("m", clock=lambda: 0.0)
    narrow = {TIME: Kind.TIME, "f": Kind.FLOAT}
    times = pa.array([1], pa.int64()).cast(pa.timestamp("ns"))
    table.append(pa.table([pa.array([1.0]), times], schema=arrow_schema("m", narrow)), narrow, 0)
    assert table.rows == 1
    table.append(table_of([(2, "a", 2.0, "x")]), COLUMNS, 0)
    assert state(table.snapshot().runs) == {(1, None): (1.0, None), (2, "a"): (2.0, "x")}


def test_rows_are_seen_when_their_time_has_come() -> None:
    now = 0.0
    table = Table("m", clock=lambda: now)
    table.append(table_of([(1, "a", 1.0, None)]), COLUMNS, 0, visible_at=5.0)
    assert table.rows == 0
    now = 5.0
    assert table.rows == 1


def test_a_correction_shows_until_it_is_persisted_where_the_first_value_wins() -> None:
    table = Table("m", clock=lambda: 0.0, first_wins=lambda: True)
    table.append(table_of([(1, "a", 1.0, None), (2, "a", 2.0, "x")]), COLUMNS, 0)
    table.persist()
    table.append(table_of([(1, "a", 9.0, "new"), (3, "a", 3.0, None)]), COLUMNS, 0)
    old = {(1, "a"): (1.0, "new"), (2, "a"): (2.0, "x"), (3, "a"): (3.0, None)}
    assert state(table.snapshot().runs) == old | {(1, "a"): (9.0, "new")}
    table.persist()
    assert state(table.snapshot().runs) == old


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_small_tables_are_distinct(rows: int) -> None:
    assert merge.distinct(table_of([(n, "a", 1.0, None) for n in range(rows)])).num_rows == rows
