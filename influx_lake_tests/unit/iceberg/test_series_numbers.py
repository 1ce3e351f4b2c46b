"""Series are told apart exactly, in whatever form their values come."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.iceberg.series_numbers import UNKNOWN, SeriesNumbers

value = st.one_of(st.none(), st.sampled_from(["", "a", "b", "\0", "é"]))
series = st.tuples(value, value, value)
KEY = ("x", "y", "z")


def batch(found: list[tuple[str | None, str | None, str | None]], encoded: bool) -> pa.RecordBatch:
    columns = [pa.array([one[index] for one in found], pa.string()) for index in range(3)]
    return pa.record_batch([column.dictionary_encode() if encoded else column for column in columns], names=list(KEY))


@given(st.lists(st.lists(series, max_size=20), max_size=4), st.lists(series, max_size=20), st.booleans(), st.booleans())
def test_equal_numbers_are_equal_series(
    learned: list[list[tuple[str | None, str | None, str | None]]],
    asked: list[tuple[str | None, str | None, str | None]],
    encoded: bool,
    asked_encoded: bool,
) -> None:
    numbers, known = SeriesNumbers(KEY), dict[object, int]()
    for found in learned:
        for one, number in zip(found, numbers.of(batch(found, encoded), learn=True).to_pylist(), strict=True):
            assert known.setdefault(one, number) == number
    assert len(set(known.values())) == len(known)
    told = numbers.of(batch(asked, asked_encoded), learn=False).to_pylist()
    assert told == [known.get(one, UNKNOWN) for one in asked]


def test_without_tags_there_is_one_series() -> None:
    rows = pa.record_batch([pa.array([1, 2])], names=["value"])
    assert SeriesNumbers(()).of(rows, learn=True).to_pylist() == [0, 0]
