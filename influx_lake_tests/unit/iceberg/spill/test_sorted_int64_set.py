"""Numbers are found in a sorted array whatever the order they are asked for in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influx_lake.iceberg.spill.sorted_int64_set import SortedInt64Set, best_sort, is_in_sorted

NUMBERS = st.lists(st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1), max_size=40)


@given(NUMBERS, NUMBERS)
def test_found_in_any_order(held: list[int], asked: list[int]) -> None:
    numbers = np.array(asked, np.int64)
    assert is_in_sorted(numbers, np.sort(np.array(held, np.int64))).tolist() == [each in held for each in asked]


@pytest.mark.parametrize("shuffled", [False, True])
def test_sorted_with_equal_ones_kept(shuffled: bool) -> None:
    numbers = np.repeat(np.arange(5_000), 3)
    coming = np.random.default_rng(1).permutation(numbers) if shuffled else numbers
    assert best_sort(coming) == ("quicksort" if shuffled else "stable")
    held = SortedInt64Set()
    held.add(coming)
    assert held.between(0, 5_000).tolist() == numbers.tolist()
    held.close()
