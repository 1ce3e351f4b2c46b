"""Rows laid over those of a window: against a dictionary of points."""

from __future__ import annotations

import random
import tempfile
from contextlib import closing
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from influx_lake import row_buffer
from influx_lake.config.tables.file_options import WriteOptions
from influx_lake.errors import DataRefused
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.load.upsert import upsert_window
from influx_lake.iceberg.merge import key_set, time_buckets
from influx_lake.iceberg.merge.key_set import KeySet
from influx_lake.iceberg.merge.merge_join import MergeJoin
from influx_lake.iceberg.merge.point_key import PointKey
from influx_lake.iceberg.scan.reader import conform
from influx_lake.iceberg.spill import sorted_int64_set
from influx_lake.iceberg.table_state import table_state
from influx_lake.iceberg.window_result import WindowResult
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.load import big_upsert
from influx_lake_tests.unit.iceberg.tables import (
    PROVENANCE,
    SCHEMA,
    TARGET,
    day,
    held,
    hours,
    replace,
    rows,
    stream,
    table,
)
from testbed.loads import load_of
from testbed.local_catalog import local_catalog
from testbed.measure import in_process

BY_HOST = changed(TARGET, key=("host",))
Point = tuple[int, str | None, float | None, int | None]


def batch(*points: Point) -> pa.RecordBatch:
    """Points at minutes of the first day."""
    times = [(day(0).start_us + minute * 60_000_000) * 1000 for minute, *_ in points]
    columns = list(zip(*points, strict=True))[1:] if points else [(), (), ()]
    return pa.record_batch(
        [
            pa.array(times, pa.timestamp("ns")),
            *(pa.array(v, f.type) for v, f in zip(columns, list(SCHEMA)[1:], strict=True)),
        ],
        schema=SCHEMA,
    )


def upsert(catalog: Catalog, *batches: pa.RecordBatch, merge_fields: bool = False, **options: Any) -> WindowResult:
    options = {"window": day(0), "target": BY_HOST, **options}
    target, window = options.pop("target"), options.pop("window")
    return upsert_window(
        load_of(catalog, target, stream(*batches), window, PROVENANCE, merge_fields=merge_fields, **options)
    )


def points(catalog: Catalog) -> dict[tuple[int, str | None], tuple[Any, Any]]:
    found = held(catalog).to_pylist()
    keyed = {
        ((row["time"] - day(0).start) // timedelta(minutes=1), row["host"]): (row["value"], row["count"])
        for row in found
    }
    assert len(keyed) == len(found)
    return keyed


def test_new_values_win_new_points_come_and_others_stay(catalog: Catalog) -> None:
    replace(catalog, day(0), batch((0, "a", 1.0, 1), (0, "b", 2.0, 2), (9, None, 3.0, 3)))
    commit = upsert(catalog, batch((0, "a", 10.0, None), (9, None, 30.0, 30), (9, "c", 4.0, 4)))
    assert points(catalog) == {
        (0, "a"): (10.0, None),
        (0, "b"): (2.0, 2),
        (9, None): (30.0, 30),
        (9, "c"): (4.0, 4),
    }
    assert (commit.rows, commit.previous_rows, commit.total_rows) == (4, 3, 4)
    assert len(table(catalog).snapshots()) == 2


def test_a_null_keeps_the_old_value_where_fields_are_merged(catalog: Catalog) -> None:
    replace(catalog, day(0), batch((0, "a", 1.0, 1), (1, "a", None, 5)))
    upsert(catalog, batch((0, "a", None, 7), (1, "a", 2.0, None), (2, "a", None, None)), merge_fields=True)
    assert points(catalog) == {(0, "a"): (1.0, 7), (1, "a"): (2.0, 5), (2, "a"): (None, None)}


def test_doing_it_again_changes_nothing(catalog: Catalog) -> None:
    upsert(catalog, rows(day(0), 500))
    before = held(catalog)
    for _ in range(2):
        assert upsert(catalog, rows(day(0), 500)).rows == 500
        assert held(catalog) == before
    assert table_state(table(catalog)).coverage.holds(day(0))


def test_nothing_is_logged_that_nobody_can_help(catalog: Catalog, caplog: pytest.LogCaptureFixture) -> None:
    replace(catalog, day(0), rows(day(0), 500))
    upsert(catalog, rows(day(0), 100))
    assert caplog.records == []


def test_rows_beyond_the_window_stay_where_they_share_a_file(catalog: Catalog) -> None:
    replace(catalog, day(0), rows(day(0), 240))
    commit = upsert(catalog, rows(hours(0, 6, 12), 5, value=-1), window=hours(0, 6, 12))
    assert commit.previous_rows == 60
    times = held(catalog).num_rows
    assert times == commit.total_rows
    assert held(catalog, [hours(0, 0, 6), hours(0, 12, 24)]).num_rows == 180


def test_files_of_other_times_are_not_touched(catalog: Catalog) -> None:
    for first in (0, 6, 12):
        replace(catalog, hours(0, first, first + 6), rows(hours(0, first, first + 6), 60))
    before = {task.file.file_path for task in table(catalog).scan().plan_files()}
    commit = upsert(catalog, rows(hours(0, 7, 8), 10))
    after = {task.file.file_path for task in table(catalog).scan().plan_files()}
    assert len(before & after) == 2
    assert (commit.rows, commit.previous_rows) == (held(catalog).num_rows, 180)


def test_of_points_that_come_twice_the_last_wins(catalog: Catalog) -> None:
    upsert(catalog, batch((0, "a", 1.0, 1), (1, "a", 9.0, 9)), batch((0, "a", 2.0, 2)))
    assert points(catalog) == {(0, "a"): (2.0, 2), (1, "a"): (9.0, 9)}


def test_nothing_comes(catalog: Catalog) -> None:
    replace(catalog, hours(0, 0, 6), rows(hours(0, 0, 6), 60))
    commit = upsert(catalog)
    assert (commit.rows, commit.previous_rows, commit.files_removed) == (60, 60, 0)
    assert table_state(table(catalog)).coverage.holds(day(0))


@pytest.mark.parametrize("way", [{}, {"merge_fields": True}, {"write": {"sort_by": ["time"]}}])
def test_rows_of_other_points_that_go_are_reported(
    way: dict[str, Any], catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    # By its tags a point is a host's and a count's; by the key a host's.
    narrow = changed(BY_HOST, tags=("host", "count"), write=WriteOptions.model_validate(way.pop("write", {})))
    upsert(
        catalog, batch((0, "a", 1.0, 1), (1, "a", 1.0, 1), (2, "b", 1.0, None), (3, "c", 1.0, 3)), target=narrow, **way
    )
    assert "other tags" not in caplog.text
    again = batch((0, "a", 2.0, 2), (1, "a", 2.0, 1), (2, "b", 2.0, 7), (9, "a", 2.0, 9))
    upsert(catalog, again, target=narrow, **way)
    assert len(points(catalog)) == 5
    assert ": 2. write.key, host, leaves out count: add those" in caplog.text
    assert table(catalog).current_snapshot().summary["influx-lake.replaced-others"] == "2"  # type: ignore[union-attr, index]
    caplog.clear()
    upsert(catalog, again, target=narrow, **way)
    assert "other tags" not in caplog.text, "the same points again"


def test_a_key_that_does_not_come_is_refused(catalog: Catalog) -> None:
    with pytest.raises(DataRefused, match="no column rack"):
        upsert(catalog, rows(day(0), 5), target=changed(TARGET, key=("rack",)))


def test_a_column_that_the_source_lost_or_gained(catalog: Catalog) -> None:
    replace(catalog, day(0), batch((0, "a", 1.0, 1), (1, "a", 2.0, 2)))
    grown = batch((0, "a", 5.0, 5)).drop_columns(["count"]).append_column("extra", pa.array(["x"]))
    upsert(catalog, grown)
    assert held(catalog).select(["value", "count", "extra"]).to_pylist() == [
        {"value": 5.0, "count": None, "extra": "x"},
        {"value": 2.0, "count": 2, "extra": None},
    ]


def test_another_run_on_the_same_window_is_joined_again(catalog: Catalog, properties: dict[str, str]) -> None:
    from pyiceberg.exceptions import CommitFailedException

    replace(catalog, day(0), batch((0, "a", 1.0, 1)))
    other = open_catalog("lake", properties)
    interfering = Interfering(catalog)
    interfering.before = [CommitFailedException("somebody else")]
    original = interfering.commit_table

    def racing(*arguments: Any) -> Any:
        interfering.commit_table = original
        other.load_table(TARGET.identifier).append(
            pa.Table.from_batches([batch((1, "b", 2.0, 2))]).cast(table(other).schema().as_arrow())
        )
        return original(*arguments)

    interfering.before, interfering.commit_table = [], racing
    upsert(catalog, batch((0, "a", 10.0, 10)))
    assert points(catalog) == {(0, "a"): (10.0, 10), (1, "b"): (2.0, 2)}
    files = [task.file.file_path.removeprefix("file://") for task in table(catalog).scan().plan_files()]
    assert len(files) == len(set(files))
    assert all(Path(path).exists() for path in files)


def keep_little_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_buckets, "IN_MEMORY_BYTES", 10_000)
    monkeypatch.setattr(time_buckets, "PAIR_BYTES", 5_000)
    monkeypatch.setattr(row_buffer, "IN_MEMORY_BYTES", 10_000)
    monkeypatch.setattr(sorted_int64_set, "RUN", 700)
    monkeypatch.setattr(sorted_int64_set, "PIECE", 300)
    monkeypatch.setattr(sorted_int64_set, "_BLOCK", 16)


def shuffled(batch: pa.RecordBatch, seed: int = 1) -> pa.RecordBatch:
    return batch.take(pa.array(random.Random(seed).sample(range(len(batch)), len(batch))))


@pytest.mark.parametrize("merging", [True, False])
@pytest.mark.parametrize("crowded", [True, False])
def test_any_order_on_disk_gives_the_same(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, merging: bool, crowded: bool
) -> None:
    keep_little_in_memory(monkeypatch)
    if crowded:
        # Three series are more than are left room for: rows are compared then, not numbers.
        monkeypatch.setattr(key_set, "_BITS", 37 + 2)
    there, coming = rows(day(0), 5_000), rows(day(0), 2_500, value=0.5)
    gaps = pa.array([None if number % 3 else number for number in range(2_500)], pa.int64())
    coming = coming.set_column(3, "count", gaps)
    replace(catalog, day(0), shuffled(there, 2))
    batches = [shuffled(coming).slice(first, 500) for first in range(0, 2_500, 500)]
    commit = upsert(catalog, *batches, merge_fields=merging)
    expected = {(row["time"], row["host"]): (row["value"], row["count"]) for row in there.to_pylist()}
    for row in coming.to_pylist():
        point = row["time"], row["host"]
        kept = expected.get(point, (None, None))[1] if merging and row["count"] is None else row["count"]
        expected[point] = row["value"], kept
    found = held(catalog)
    times = found["time"].cast(pa.timestamp("ns")).to_pylist()
    points = zip(times, found["host"].to_pylist(), found["value"].to_pylist(), found["count"].to_pylist(), strict=True)
    assert {(time, host): (value, count) for time, host, value, count in points} == expected
    assert commit.rows == found.num_rows == len(expected)


def test_large_sets_are_compared_in_slices_on_disk(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_little_in_memory(monkeypatch)
    replace(catalog, day(0), rows(day(0), 20_000))
    batches = [rows(day(0), 10_000, value=0.5).slice(first, 1_000) for first in range(0, 10_000, 1_000)]
    commit = upsert(catalog, *batches, target=changed(TARGET, key=("host", "count")))
    found = held(catalog)
    times = {row.as_py() for row in found.column("time")}
    assert commit.rows == found.num_rows == 29_999
    assert len(times) == 20_000


BY_POINT = PointKey(("host",), "time")
AS_READ = SCHEMA.set(0, pa.field("time", pa.timestamp("us", "UTC")))


def joined(
    coming: list[pa.RecordBatch], held: list[pa.RecordBatch], merging: bool, key: PointKey = BY_POINT
) -> tuple[MergeJoin, pa.Table]:
    """Lay batches over others, as they are read from a table."""
    schema = key.encoded(AS_READ)
    with closing(KeySet(key, day(0))) as points:
        recorded = list(points.record(conform(one, schema) for one in coming))
        joining = MergeJoin(points, day(0), schema, merging)
        rows = list(
            joining.join(
                iter(recorded),
                (conform(one, schema) for one in held),
                lambda: (conform(one, schema).column(key.time) for one in held),
            )
        )
        return joining, pa.Table.from_batches(rows, schema)


minutes = st.integers(0, 40)
hosts = st.sampled_from(["a", "b", "", None])
values = st.one_of(st.none(), st.floats(allow_nan=False, width=32))
point = st.tuples(minutes, hosts, values, st.one_of(st.none(), st.integers(-5, 5)))


@pytest.mark.slow
@given(st.lists(point, max_size=30), st.lists(point, max_size=30), st.booleans(), st.integers(0, 30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_it_is_what_a_dictionary_makes_of_it(
    there: list[Point], coming: list[Point], merging: bool, again: int
) -> None:
    unique = {(minute, host): (value, count) for minute, host, value, count in there}
    # The first points come again in the same order, as those of a window do.
    coming = [(*key, None, number) for number, key in enumerate(list(unique)[:again])] + coming
    expected: dict[Any, Any] = dict(unique)
    arriving = {(minute, host): (value, count) for minute, host, value, count in coming}
    for key, new in arriving.items():
        old = unique.get(key, (None, None))
        expected[key] = tuple(o if merging and n is None else n for n, o in zip(new, old, strict=True))
    held = [batch(*((*key, *value) for key, value in unique.items()))]
    joining, rows = joined([batch(*coming)] if coming else [], held if unique else [], merging)
    start = day(0).start
    found = [
        ((row["time"] - start) // timedelta(minutes=1), row["host"], row["value"], row["count"])
        for row in rows.to_pylist()
    ]
    assert {(minute, host): (value, count) for minute, host, value, count in found} == expected
    assert len(found) == len(expected)
    assert joining.kept == len(unique.keys() - arriving.keys())


@given(st.lists(point, max_size=30), st.lists(st.lists(point, min_size=1, max_size=20), max_size=3), st.booleans())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_table_is_what_a_dictionary_makes_of_it(there: list[Point], coming: list[list[Point]], merging: bool) -> None:
    expected: dict[Any, Any] = {(minute, host): (value, count) for minute, host, value, count in there}
    before = dict(expected)
    for minute, host, value, count in (one for batch in coming for one in batch):
        old = before.get((minute, host), (None, None))
        new = (value, count)
        expected[minute, host] = tuple(o if merging and n is None else n for n, o in zip(new, old, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        catalog = local_catalog(folder)
        replace(catalog, day(0), *([batch(*((*key, *value) for key, value in before.items()))] if before else []))
        commit = upsert(catalog, *(batch(*part) for part in coming), merge_fields=merging)
        assert points(catalog) == expected
        assert (commit.rows, commit.previous_rows) == (len(expected), len(before))


@pytest.mark.slow
@pytest.mark.parametrize(("options", "most_mb"), [([], 150), (["--merge-fields"], 200)], ids=str)
def test_memory_does_not_grow_with_the_window(options: list[str], most_mb: int) -> None:
    costs = [in_process(big_upsert.__name__, str(rows), *options) for rows in (3_000_000, 9_000_000)]
    assert max(cost.peak_mb - cost.base_mb for cost in costs) < most_mb
    assert costs[1].peak_mb - costs[0].peak_mb < 50
