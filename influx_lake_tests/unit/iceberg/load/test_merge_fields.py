"""Nulls that keep the table's values: as rows pass on their way into files, and where that does not do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace as changed
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from influx_lake.config.tables.file_options import WriteOptions
from influx_lake.iceberg.catalogs.opening import open_catalog
from influx_lake.iceberg.merge import field_merge, held_values
from influx_lake.iceberg.merge.copy_on_write import Merge
from influx_lake_tests.unit.iceberg.interfering import Interfering
from influx_lake_tests.unit.iceberg.load.test_upsert import batch, keep_little_in_memory, points, shuffled, upsert
from influx_lake_tests.unit.iceberg.tables import TARGET, day, held, replace, rows, table
from testbed.local_catalog import local_catalog


@pytest.fixture
def joins(monkeypatch: pytest.MonkeyPatch) -> list[Merge]:
    """The joins of whole rows that were planned."""
    planned: list[Merge] = []
    take = Merge.take

    def noted(self: Merge, batches: Iterator[pa.RecordBatch]) -> None:
        planned.append(self)
        take(self, batches)

    monkeypatch.setattr(Merge, "take", noted)
    return planned


def overwrite(catalog: Catalog, given: pa.RecordBatch) -> None:
    """Give the table other rows, as another tool does."""
    table(catalog).overwrite(pa.Table.from_batches([given]).cast(table(catalog).schema().as_arrow()))


def gappy(given: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with nulls in two of three counts, and other values."""
    counts = pa.array([None if number % 3 else -number for number in range(len(given))], pa.int64())
    return given.set_column(3, "count", counts)


def merged(there: pa.RecordBatch, coming: list[pa.RecordBatch]) -> dict[Any, Any]:
    """What a dictionary of points makes of it."""
    expected = {(row["time"], row["host"]): (row["value"], row["count"]) for row in there.to_pylist()}
    before = dict(expected)
    for row in (row for each in coming for row in each.to_pylist()):
        old = before.get((row["time"], row["host"]), (None, None))
        new = row["value"], row["count"]
        expected[row["time"], row["host"]] = tuple(o if n is None else n for n, o in zip(new, old, strict=True))
    return expected


def in_the_table(catalog: Catalog) -> dict[Any, Any]:
    found = held(catalog)
    times = found["time"].cast(pa.timestamp("ns")).to_pylist()
    hosts, values, counts = (found[name].to_pylist() for name in ("host", "value", "count"))
    told = {(time, host): (value, count) for time, host, value, count in zip(times, hosts, values, counts, strict=True)}
    assert len(told) == found.num_rows
    return told


IN_ROW_GROUPS = changed(TARGET, write=WriteOptions(row_group_size=1_000))
ORDERS = {
    "the same": lambda given: given,
    "every other": lambda given: given.take(pa.array(range(0, len(given), 2))),
    "shuffled": shuffled,
    "without the first": lambda given: given.slice(1),
    "with more at the end": lambda given: pa.concat_batches([given, rows(day(0), 5_001).slice(5_000)]),
}


@pytest.mark.parametrize("little", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_rows_get_the_values_that_the_table_has(
    catalog: Catalog, joins: list[Merge], monkeypatch: pytest.MonkeyPatch, order: str, little: bool
) -> None:
    if little:
        keep_little_in_memory(monkeypatch)
        monkeypatch.setattr(held_values, "IN_MEMORY_BYTES", 100_000)
        monkeypatch.setattr(field_merge, "_GIVEN_BYTES", 1_000)
    there = rows(day(0), 5_000)
    replace(catalog, day(0), there, target=IN_ROW_GROUPS)
    coming = gappy(ORDERS[order](there))
    batches = [coming.slice(first, 700) for first in range(0, len(coming), 700)]
    commit = upsert(catalog, *batches, merge_fields=True)
    expected = merged(there, batches)
    assert in_the_table(catalog) == expected
    assert (commit.rows, commit.previous_rows) == (len(expected), 5_000)
    assert bool(joins) == (little and order == "shuffled")


def test_values_that_others_changed_meanwhile_are_not_those_of_before(
    catalog: Catalog, properties: dict[str, str], joins: list[Merge]
) -> None:
    replace(catalog, day(0), batch((0, "a", 1.0, 1), (1, "a", 2.0, 2), (2, "a", None, None)))
    other, interfering = open_catalog("lake", properties), Interfering(catalog)
    original = interfering.commit_table

    def racing(*arguments: Any) -> Any:
        interfering.commit_table = original
        overwrite(other, batch((0, "a", 7.0, 7), (2, "a", 9.0, 9), (3, "b", 3.0, 3)))
        return original(*arguments)

    interfering.commit_table = racing
    upsert(catalog, batch((0, "a", None, 5), (1, "a", None, None), (2, "a", None, 8)), merge_fields=True)
    assert points(catalog) == {(0, "a"): (7.0, 5), (1, "a"): (None, None), (2, "a"): (9.0, 8), (3, "b"): (3.0, 3)}
    assert len(joins) == 1


def test_a_point_that_comes_twice_keeps_what_its_last_row_has(catalog: Catalog, joins: list[Merge]) -> None:
    replace(catalog, day(0), batch((0, "a", 1.0, 1), (1, "a", 2.0, 2)))
    coming = batch((0, "a", None, 5), (1, "a", 9.0, None)), batch((0, "a", 6.0, None), (1, "a", None, 9))
    upsert(catalog, *coming, merge_fields=True)
    assert points(catalog) == {(0, "a"): (6.0, 1), (1, "a"): (2.0, 9)}
    assert len(joins) == 1


def test_a_point_that_the_table_has_twice_goes(catalog: Catalog) -> None:
    replace(catalog, day(0), batch((0, "a", 1.0, 1), (1, "b", 2.0, 2), (0, "a", 3.0, 3), (2, "c", 4.0, 4)))
    for coming in (
        batch((0, "a", None, 5), (1, "b", 8.0, None)),
        batch((1, "b", None, 9), (0, "a", 6.0, None)),
    ):
        upsert(catalog, coming, merge_fields=True)
    assert points(catalog) == {(0, "a"): (6.0, 5), (1, "b"): (8.0, 9), (2, "c"): (4.0, 4)}


def test_columns_that_files_do_not_have(catalog: Catalog, joins: list[Merge]) -> None:
    replace(catalog, day(0), batch((0, "a", 1.0, 1), (1, "a", 2.0, 2)).drop_columns(["count"]))
    upsert(catalog, batch((0, "a", None, None), (1, "a", None, 5)), merge_fields=True)
    upsert(catalog, batch((1, "a", 3.0, None), (0, "a", None, 7)), merge_fields=True)
    assert points(catalog) == {(0, "a"): (1.0, 7), (1, "a"): (3.0, 5)}
    assert not joins


def test_points_that_do_not_come_stay_in_files_of_an_older_schema(catalog: Catalog) -> None:
    replace(catalog, day(0), batch((0, "a", 1.0, 1), (1, "b", 2.0, 2)).drop_columns(["count"]))
    upsert(catalog, batch((0, "a", None, 4)), merge_fields=True)
    assert points(catalog) == {(0, "a"): (1.0, 4), (1, "b"): (2.0, None)}
    assert table(catalog).schema().column_names == ["time", "host", "value", "count"]


minutes = st.integers(0, 12)
values = st.one_of(st.none(), st.floats(allow_nan=False, width=32))
point = st.tuples(minutes, st.sampled_from(["a", "b", "", None]), values, st.one_of(st.none(), st.integers(-5, 5)))


@pytest.mark.slow
@given(
    st.lists(point, min_size=1, max_size=25),
    st.lists(st.lists(point, min_size=1, max_size=12), min_size=1, max_size=3),
    st.lists(point, min_size=1, max_size=12),
    st.integers(0, 25),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_while_others_commit_is_what_dictionaries_make_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    there: list[Any],
    coming: list[list[Any]],
    meanwhile: list[Any],
    again: int,
) -> None:
    """Others overwrite the table between the reading and the commit; the first rows come in its order."""
    folder = tmp_path_factory.mktemp("lake")
    catalog, other = local_catalog(folder), local_catalog(folder)
    unique = {(minute, host): (value, count) for minute, host, value, count in there}
    new = {(minute, host): (value, count) for minute, host, value, count in meanwhile}
    coming = [[(*key, None, number) for number, key in enumerate(list(unique)[:again])] or coming[0], *coming]
    replace(catalog, day(0), batch(*((*key, *value) for key, value in unique.items())))
    interfering = Interfering(catalog)
    original = interfering.commit_table

    def racing(*arguments: Any) -> Any:
        interfering.commit_table = original
        shuffle = random.Random(1).sample(list(new.items()), len(new))
        overwrite(other, batch(*((*key, *value) for key, value in shuffle)))
        return original(*arguments)

    interfering.commit_table = racing
    expected: dict[Any, Any] = dict(new)
    for minute, host, value, count in (one for part in coming for one in part):
        old = new.get((minute, host), (None, None))
        expected[minute, host] = tuple(o if n is None else n for n, o in zip((value, count), old, strict=True))
    upsert(catalog, *(batch(*part) for part in coming), merge_fields=True)
    assert points(catalog) == expected
