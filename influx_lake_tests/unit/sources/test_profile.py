"""A profile is the same in whatever order and batches rows come, and another when a value is."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.config.values.source_schema import Column, ColumnType, Role
from influx_lake.sources.profile import ColumnProfile, RowProfiler, scale_for

COLUMNS = (
    Column("time", Role.TIME, ColumnType.TIME),
    Column("host", Role.TAG, ColumnType.STRING),
    Column("f", Role.FIELD, ColumnType.FLOAT),
    Column("i", Role.FIELD, ColumnType.INTEGER),
    Column("u", Role.FIELD, ColumnType.UINTEGER),
    Column("b", Role.FIELD, ColumnType.BOOLEAN),
)
SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("ns")),
        ("host", pa.string()),
        ("f", pa.float64()),
        ("i", pa.int64()),
        ("u", pa.uint64()),
        ("b", pa.bool_()),
    ]
)
rows = st.lists(
    st.tuples(
        st.integers(-(2**62), 2**62),
        st.none() | st.text(max_size=5),
        st.none() | st.floats(-1e300, 1e300),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.integers(0, 2**64 - 1),
        st.none() | st.booleans(),
    ),
    max_size=20,
)


def profile(found: list[tuple[Any, ...]], scale: float, size: int = 7) -> dict[str, ColumnProfile]:
    profiler = RowProfiler(COLUMNS, {"f": scale})
    for begin in range(0, len(found), size):
        part = list(zip(*found[begin : begin + size], strict=True))
        arrays = [pa.array(values, kind) for values, kind in zip(part, SCHEMA.types, strict=True)]
        profiler.add(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    return dict(profiler.profile())


def scale_of(found: list[tuple[Any, ...]]) -> float:
    return scale_for(max((abs(row[2]) for row in found if row[2] is not None), default=0.0))


@given(rows, st.randoms(use_true_random=False), st.integers(1, 9))
def test_order_and_batches_make_no_difference(found: list[tuple[Any, ...]], order: Any, size: int) -> None:
    shuffled = list(found)
    order.shuffle(shuffled)
    assert profile(found, scale_of(found)) == profile(shuffled, scale_of(found), size)


@given(rows)
def test_sums_are_exact(found: list[tuple[Any, ...]]) -> None:
    scale = scale_of(found)
    profiled = profile(found, scale)
    for place, name in enumerate("fiub", start=2):
        values = [row[place] for row in found if row[place] is not None]
        assert profiled[name].count == len(values)
        expected = [int(Fraction(value) * Fraction(scale)) for value in values] if name == "f" else values
        assert profiled[name].total == sum(expected)
    assert profiled["time"].total == sum(row[0] // 1000 for row in found)
    assert profiled["host"].total == sum(len((row[1] or "").encode()) for row in found)


@given(rows.filter(lambda found: any(abs(row[2] or 0) > 1e-250 for row in found)), st.data())
def test_another_float_is_another_profile(found: list[tuple[Any, ...]], data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([place for place, row in enumerate(found) if abs(row[2] or 0) > 1e-250]))
    value = found[place][2]
    largest = max(abs(row[2]) for row in found if row[2] is not None)
    # A change of 2^-60 of the largest value, or of the last bit where that is coarser.
    other = value - math.copysign(max(abs(value) * 2**-51, largest * 2**-60), value)
    changed = [*found]
    changed[place] = (*found[place][:2], other, *found[place][3:])
    assert profile(found, scale_for(largest)) != profile(changed, scale_for(largest))


def test_times_are_compared_as_every_table_keeps_them() -> None:
    moment = datetime(1960, 1, 1, tzinfo=UTC)
    nanoseconds = pa.array([int(moment.timestamp()) * 10**9 + 1], pa.timestamp("ns"))
    microseconds = pa.array([int(moment.timestamp()) * 10**6], pa.timestamp("us", "UTC"))
    found = []
    for times in (nanoseconds, microseconds):
        profiler = RowProfiler(COLUMNS[:1], {})
        profiler.add(pa.RecordBatch.from_arrays([times], names=["time"]))
        found.append(profiler.profile())
    assert found[0] == found[1]
