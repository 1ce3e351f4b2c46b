"""Digests of columns: equal for equal rows in any order, different after any change."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influx_lake.arrow.digests import KEY, Digest, RowDigester, combined

SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("host", pa.string()),
        pa.field("usage", pa.float64()),
        pa.field("count", pa.int64()),
        pa.field("big", pa.decimal128(20, 0)),
        pa.field("up", pa.bool_()),
        pa.field("note", pa.string()),
        pa.field("labels", pa.map_(pa.string(), pa.string())),
        pa.field("small", pa.float32()),
    ]
)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "usage": FLOATS,
    "count": st.integers(-(2**63), 2**63 - 1),
    "big": st.integers(0, 2**64 - 1),
    "up": st.booleans(),
    "note": st.text(max_size=12),
    "labels": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3).map(lambda found: [*found.items()]),
    "small": st.floats(width=32),
}
ROW = st.fixed_dictionaries(
    {
        "time": st.integers(0, 50),
        "host": st.none() | st.sampled_from("ab"),
        **{name: st.none() | values for name, values in VALUES.items()},
    }
)
ROWS = st.lists(ROW, min_size=1, max_size=20)


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def digests(*batches: pa.RecordBatch, key: tuple[str, ...] = ("time", "host")) -> dict[str, Digest]:
    digester = RowDigester(key)
    for batch in batches:
        digester.add(batch)
    return digester.digests


def encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [values.dictionary_encode() if pa.types.is_string(values.type) else values for values in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def check_order(rows: list[dict[str, Any]], seed: int) -> None:
    shuffled = rows[:]
    random.Random(seed).shuffle(shuffled)
    cut = seed % len(rows)
    parts = [encoded(batch_of(part)) for part in (shuffled[:cut], shuffled[cut:]) if part]
    assert digests(*parts) == digests(batch_of(rows))


@settings(max_examples=20, deadline=None)
@given(ROWS, st.integers(0, 2**32))
def test_equal_in_any_order_of_rows_batches_and_encodings(rows: list[dict[str, Any]], seed: int) -> None:
    check_order(rows, seed)


POOLS: dict[str, list[Any]] = {
    "host": [None, "a", "b"],
    "usage": [None, 0.0, -0.0, 0.1, 1e300, math.nan, math.inf],
    "count": [None, 0, -1, 2**63 - 1],
    "big": [None, 0, 2**64 - 1],
    "up": [None, True, False],
    "note": [None, "", "a", "é", "a" * 40],
    "labels": [None, [], [("a", "b")], [("a", "b"), ("c", "")]],
    "small": [None, 0.5, -0.0],
}


@pytest.mark.parametrize(
    "tables", [pytest.param(1_000, marks=pytest.mark.slow), pytest.param(10_000, marks=pytest.mark.long)]
)
def test_no_false_alarm_in_random_tables(tables: int) -> None:
    for seed in range(tables):
        draw = random.Random(seed)
        check_order(
            [
                {"time": draw.randrange(10), **{name: draw.choice(pool) for name, pool in POOLS.items()}}
                for _ in range(draw.randint(1, 12))
            ],
            seed,
        )


def words(batch: pa.RecordBatch, name: str) -> list[Any]:
    """The values of a column by their bits."""
    values = batch.column(name)
    if pa.types.is_floating(values.type):
        form = "d" if values.type == pa.float64() else "f"
        return [None if each is None else struct.pack(form, each) for each in values.to_pylist()]
    return [dict(each) if name == "labels" and each is not None else each for each in values.to_pylist()]


@settings(max_examples=20, deadline=None)
@given(ROWS, st.data())
def test_any_other_value_is_found_in_its_column(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(list(VALUES)))
    other = [dict(row) for row in rows]
    other[place][name] = data.draw(st.none() | VALUES[name])
    before, after = batch_of(rows), batch_of(other)
    differing = {each for each in SCHEMA.names if digests(before).get(each) != digests(after).get(each)}
    assert differing == ({name} if words(before, name) != words(after, name) else set())


@settings(max_examples=20, deadline=None)
@given(ROWS, st.integers(0, 19), st.integers(1, 2**31))
def test_points_that_are_missing_doubled_or_moved_are_found(rows: list[dict[str, Any]], place: int, later: int) -> None:
    place %= len(rows)
    whole = digests(batch_of(rows))[KEY]
    assert digests(batch_of([*rows, rows[place]]))[KEY] != whole
    moved = [dict(row) for row in rows]
    moved[place]["time"] += 50 + later
    assert digests(batch_of(moved))[KEY] != whole
    if len(rows) > 1:
        fewer = rows[:place] + rows[place + 1 :]
        assert digests(batch_of(fewer))[KEY] != whole


def floats(*values: float, times: tuple[int, ...] = (0, 1)) -> pa.RecordBatch:
    columns = [pa.array(times[: len(values)], pa.timestamp("us")), pa.array(values, pa.float64())]
    return pa.RecordBatch.from_arrays(columns, ["time", "v"])


def of_v(batch: pa.RecordBatch) -> Digest:
    return digests(batch, key=("time",))["v"]


def test_every_bit_counts() -> None:
    assert of_v(floats(0.0)) != of_v(floats(-0.0))
    payloads = [
        pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(struct.pack("<Q", 0x7FF8 << 48 | payload))])
        for payload in (0, 1)
    ]
    first, second = (
        pa.RecordBatch.from_arrays([pa.array([0], pa.timestamp("us")), values], ["time", "v"]) for values in payloads
    )
    assert of_v(first) != of_v(second)


def test_exchanged_values_are_found() -> None:
    assert of_v(floats(1.0, 2.0)) != of_v(floats(2.0, 1.0))
    assert of_v(floats(1.0, 2.0)) == of_v(floats(2.0, 1.0, times=(1, 0)))


def test_a_column_that_is_not_there_is_like_one_of_nulls() -> None:
    rows = [{"time": 0, "host": "a", "count": 1}]
    found = digests(batch_of(rows))
    narrow = digests(batch_of(rows).select(["time", "host", "count"]))
    assert {name: each for name, each in found.items() if each.values} == narrow


def test_parts_add_up() -> None:
    parts = [digests(floats(float(number), times=(number,)), key=("time",))["v"] for number in range(3)]
    together = floats(0.0, 1.0, 2.0, times=(0, 1, 2))
    assert parts[0] + parts[1] + parts[2] == of_v(together)


def test_digests_stay_the_same_from_version_to_version() -> None:
    rows = [{"time": 1, "host": "a", "usage": 0.5, "count": -1, "big": 2**64 - 1, "up": True, "note": "é"}]
    found = digests(batch_of(rows))
    assert {name: str(each) for name, each in found.items() if each.values} == EXPECTED
    key = found.pop(KEY)
    assert str(combined(key, found)) == "8274d626ce5d1b94ec671110ea9d6620"


def whole(rows: list[dict[str, Any]]) -> Digest:
    """One digest of rows."""
    found = digests(batch_of(rows))
    return combined(found.pop(KEY), found)


@settings(max_examples=20, deadline=None)
@given(ROWS, st.integers(0, 20))
def test_digests_of_whole_rows_add_up_and_are_read_again(rows: list[dict[str, Any]], cut: int) -> None:
    parts = [whole(part) for part in (rows[:cut], rows[cut:]) if part]
    found = sum(parts[1:], parts[0])
    assert found == whole(rows)
    assert Digest.parse(found.values, str(found)) == found
    assert found - parts[-1] + parts[-1] == found


def test_values_that_two_columns_exchange_are_found_in_the_digest_of_whole_rows() -> None:
    columns = [pa.array([0], pa.timestamp("us")), pa.array(["a"]), pa.array(["b"])]
    one, other = (
        digests(pa.RecordBatch.from_arrays(columns, names), key=("time",))
        for names in (["time", "x", "y"], ["time", "y", "x"])
    )
    assert combined(one.pop(KEY), one) != combined(other.pop(KEY), other)


def test_a_tag_that_nobody_set_is_one_that_does_not_exist() -> None:
    batch = batch_of([{"time": 1, "host": "a", "count": 1}])
    without, found = digests(batch, key=("time", "host")), digests(batch, key=("note", "host", "time"))
    assert (found[KEY], found["count"]) == (without[KEY], without["count"])


def test_a_column_that_was_promoted_has_the_same_digest() -> None:
    for narrow, wide in ((pa.int32(), pa.int64()), (pa.float32(), pa.float64())):
        found = [
            digests(
                pa.RecordBatch.from_arrays([pa.array([0], pa.timestamp("us")), pa.array([-5], kind)], ["time", "v"]),
                key=("time",),
            )
            for kind in (narrow, wide)
        ]
        assert found[0] == found[1]


EXPECTED = {
    "": "a7f7722cea75450bf92ef524de305864",
    "big": "735b4e4e5132c64b818e2e9e4141ef64",
    "count": "6f4282a66e493b0e0488de2223469f68",
    "note": "e5ad78671569c81c2094c8c1ceb751d8",
    "up": "0b7a511f18fa55fbf25d72e9dd76c9a4",
    "usage": "a1c62e810d6e70db82403fac063df824",
}
