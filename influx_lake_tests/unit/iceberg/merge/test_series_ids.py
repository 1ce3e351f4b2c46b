"""Series are told apart exactly, in whatever form their values come."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.iceberg.merge import series_ids
from influx_lake.iceberg.merge.series_ids import SeriesIds

value = st.one_of(st.none(), st.sampled_from(["", "a", "b", "\0", "é"]))
series = st.tuples(value, value, value)
KEY = ("x", "y", "z")


def batch(found: list[tuple[str | None, str | None, str | None]], encoded: bool) -> pa.RecordBatch:
    columns = [pa.array([one[index] for one in found], pa.string()) for index in range(3)]
    return pa.record_batch([column.dictionary_encode() if encoded else column for column in columns], names=list(KEY))


@given(st.lists(st.tuples(st.lists(series, max_size=20), st.booleans()), max_size=5), st.sampled_from([0, 2**20]))
def test_equal_numbers_are_equal_series(
    batches: list[tuple[list[tuple[str | None, str | None, str | None]], bool]], few: int
) -> None:
    numbers, known = SeriesIds(KEY), dict[object, int]()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(series_ids, "_FEW", few)
        for found, encoded in batches:
            for one, number in zip(found, numbers.of(batch(found, encoded)).tolist(), strict=True):
                assert known.setdefault(one, number) == number
    assert sorted(known.values()) == list(range(len(known)))


def test_dictionaries_of_any_kind() -> None:
    def numbers(*columns: pa.Array) -> list[int]:
        return SeriesIds(KEY[: len(columns)]).of(pa.record_batch(list(columns), names=KEY[: len(columns)])).tolist()

    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1]), pa.array(["a", "b", "a"]))
    unused = pa.DictionaryArray.from_arrays(pa.array([1, 1, 3, 3], pa.uint8()), pa.array(["x", "b", "y", None]))
    assert numbers(twice) == [0, 1, 0, 1]
    assert len(set(numbers(twice, unused))) == 4
    assert numbers(twice, twice) == numbers(twice)
    assert numbers(pa.array([-0.0, 0.0, float("nan"), float("nan")])) == [0, 1, 2, 2]


def test_zeros_of_both_signs_are_distinguished_from_batch_to_batch() -> None:
    ids = SeriesIds(("x",))
    zeros = [pa.record_batch([pa.array([zero])], names=["x"]) for zero in (0.0, -0.0, 0.0)]
    assert [ids.of(zero).tolist() for zero in zeros] == [[0], [1], [0]]


def test_without_tags_there_is_one_series() -> None:
    rows = pa.record_batch([pa.array([1, 2])], names=["value"])
    assert SeriesIds(()).of(rows).tolist() == [0, 0]
