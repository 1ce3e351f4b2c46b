"""Rows of a table held against those of its source, one by one."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from influx_lake.config.values.source_schema import MeasurementSchema
from influx_lake.config.values.windows import Window
from influx_lake.replication.adoption.comparable_rows import ComparableRows, codes
from influx_lake.replication.adoption.difference import difference
from influx_lake_tests.unit.replication.fake_source import SCHEMA, FakeSource
from influx_lake_tests.unit.replication.loading import CPU, held
from influx_lake_tests.unit.replication.test_adoption import FIELDS, WINDOWS, adopt, foreign


@dataclass
class Side:
    """A table that is held in the hands."""

    rows: pa.Table
    schema: MeasurementSchema = field(default_factory=lambda: FakeSource().schema("cpu"))
    held: dict[str, str] = field(default_factory=lambda: {"host": "host", "value": "value"})
    nanoseconds: None = None

    def compared(self, _: Window) -> list[pa.RecordBatch]:
        return self.rows.to_batches(max_chunksize=100)


_Row = tuple[int, str | None, float | None]
_VALUES = st.sampled_from([None, 0.0, -0.0, 1.5, math.nan, math.inf])
_ROWS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([None, "", "a", "b"]), _VALUES), max_size=12)


def _table(rows: list[_Row]) -> pa.Table:
    times = [(WINDOWS[0].start_us + number) * 1000 for number, _, _ in rows]
    columns = [pa.array(times, pa.timestamp("ns")), [host for _, host, _ in rows], [value for _, _, value in rows]]
    return pa.table([pa.array(each, kind) for each, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


def _point(row: _Row) -> tuple[int, str | None]:
    return row[0], row[1] or None


@settings(max_examples=30, deadline=None)
@given(_ROWS, _ROWS)
def test_rows_are_counted_as_one_by_one(theirs: list[_Row], ours: list[_Row]) -> None:
    side = Side(_table(ours))
    rows = ComparableRows.of(side.schema, side.held, nanoseconds=True)
    found = difference(FakeSource(rows=_table(theirs)), side, rows, WINDOWS[0])  # type: ignore[arg-type]
    source, lake = Counter(map(_point, theirs)), Counter(map(_point, ours))
    alike = Counter(map(repr, theirs)) & Counter(map(repr, ours))
    assert (found.source_rows, found.lake_rows) == (len(theirs), len(ours))
    assert found.missing == (source - lake).total()
    assert found.gone == sum(count for point, count in lake.items() if point not in source)
    assert found.doubled == sum(max(0, count - source[point]) for point, count in lake.items() if point in source)
    assert found.changed == (source & lake).total() - alike.total()
    keys = {key for table in found.keys for key in zip(*(column.to_pylist() for column in table.columns), strict=True)}
    assert len(keys) == sum(point not in source for point in lake)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(theirs=_ROWS, ours=_ROWS)
def test_a_table_has_the_rows_of_its_source_and_those_of_points_that_it_lacks(
    theirs: list[_Row], ours: list[_Row], catalog: Catalog
) -> None:
    # InfluxDB has no empty tags, and each point once.
    source = {_point(row): row for row in theirs if row[1] != ""}
    fields = (FIELDS[0], *(each.model_copy(update={"required": False}) for each in FIELDS[1:]))
    if catalog.table_exists(CPU.identifier):
        catalog.drop_table(CPU.identifier)
    foreign(catalog, _table(ours), fields=fields)
    fake = FakeSource(rows=_table(list(source.values())))
    expected = [*source.values(), *(row for row in ours if _point(row) not in source)]
    for _ in range(2):
        adopt(fake, catalog)
        found = held(catalog)
        moments = [WINDOWS[0].start_us + number for number, _, _ in expected]
        assert sorted(found["time"].cast(pa.int64()).to_pylist()) == sorted(moments)
        pairs = zip(found["host"].to_pylist(), found["value"].to_pylist(), strict=True)
        assert Counter(map(repr, pairs)) == Counter(repr((host, value)) for _, host, value in expected)


def test_many_rows_of_one_microsecond_are_compared_whole(source: FakeSource) -> None:
    times = pa.array([WINDOWS[0].start_us * 1000 + number for number in range(1000)], pa.timestamp("ns"))
    source.rows = pa.table([times, ["a"] * 1000, [1.0] * 1000], schema=SCHEMA)
    side = Side(source.rows)
    rows = ComparableRows.of(side.schema, side.held, nanoseconds=True)
    found = difference(source, side, rows, WINDOWS[0])  # type: ignore[arg-type]
    # The table cut them: one of them is right.
    assert (found.changed, found.columns) == (999, ("time (below a microsecond)",))
    cut = ComparableRows.of(side.schema, side.held, nanoseconds=False)
    assert not difference(source, side, cut, WINDOWS[0]).is_curable  # type: ignore[arg-type]


def test_numbers_of_rows_do_not_overflow() -> None:
    columns = [pa.chunked_array([pa.array(range(1000))]) for _ in range(12)]
    assert sorted(codes(columns).tolist()) == list(range(1000))
    assert codes([]).tolist() == []
