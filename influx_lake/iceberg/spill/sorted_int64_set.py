"""A sorted multiset of int64: in memory while it is small, then in sorted runs on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from influx_lake.temporary_files import TemporaryFile

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

RUN = 4 * 2**20
"""The numbers that are buffered before they are sorted and written to disk: 32 MB."""
PIECE = 2 * 2**20
"""The numbers of two sets that are compared at once."""
_BLOCK = 4_096
"""One of this many numbers is kept in memory, to find positions in a run on disk."""
_BYTES = 8
_STRETCH = 32
_NONE: Numbers = np.empty(0, np.int64)


class SortedInt64Set:
    """Numbers added in any order and read sorted; duplicates are kept."""

    def __init__(self) -> None:
        self._waiting: list[Numbers] = []
        self._waiting_count = 0
        self._runs: list[_InMemory | _OnDisk] = []
        self._file = TemporaryFile()

    def add(self, numbers: Numbers) -> None:
        """Add numbers."""
        self._waiting.append(numbers)
        self._waiting_count += len(numbers)
        if self._waiting_count >= RUN:
            self._runs.append(self._written_out(self._sorted()))

    def bounds(self) -> tuple[int, int]:
        """The smallest number, and the largest plus one; (0, 0) where there is none."""
        runs = self._settled()
        return min((run.first for run in runs), default=0), max((run.last + 1 for run in runs), default=0)

    def count(self, first: int, end: int) -> int:
        """How many numbers are at least `first` and below `end`."""
        return sum(run.place(end) - run.place(first) for run in self._settled())

    def between(self, first: int, end: int) -> Numbers:
        """The numbers that are at least `first` and below `end`, sorted."""
        parts = [run.read(run.place(first), run.place(end)) for run in self._settled()]
        # A stable sort is fastest with concatenated sorted parts.
        if len(parts) == 1:
            return parts[0]
        return np.sort(np.concatenate([_NONE, *parts]), kind="stable")

    def contains(self, numbers: Numbers) -> Mask:
        """The mask of the numbers that are in the set."""
        if not len(numbers):
            return np.zeros(0, bool)
        first, end = int(numbers.min()), int(numbers.max()) + 1
        if end - first == 1 or self.count(first, end) <= PIECE:
            return is_in_sorted(numbers, self.between(first, end))
        low, found = numbers < (first + end) // 2, np.empty(len(numbers), bool)
        found[low], found[~low] = self.contains(numbers[low]), self.contains(numbers[~low])
        return found

    @property
    def in_memory(self) -> bool:
        """Whether no number is on disk."""
        return not self._file.size

    def close(self) -> None:
        """Delete what is on disk."""
        self._file.close()

    def _settled(self) -> list[_InMemory | _OnDisk]:
        if self._waiting_count:
            self._runs.append(_InMemory(self._sorted()))
        return self._runs

    def _sorted(self) -> Numbers:
        numbers = np.concatenate(self._waiting)
        numbers.sort(kind=best_sort(numbers))
        self._waiting, self._waiting_count = [], 0
        return numbers

    def _written_out(self, numbers: Numbers) -> _OnDisk:
        begin = self._file.append(numbers.data)
        return _OnDisk(self._file, begin, len(numbers), numbers[::_BLOCK].copy(), int(numbers[-1]))


def aligned_chunks(one: SortedInt64Set, other: SortedInt64Set) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield two sets in common ranges, ascending, each as large as fits in memory; sorted."""
    bounds = one.bounds(), other.bounds()
    yield from _aligned_chunks(one, other, min(first for first, _ in bounds), max(end for _, end in bounds))


def _aligned_chunks(
    one: SortedInt64Set, other: SortedInt64Set, first: int, end: int
) -> Iterator[tuple[Numbers, Numbers]]:
    count = one.count(first, end) + other.count(first, end)
    if count > PIECE and end - first > 1:
        middle = (first + end) // 2
        yield from _aligned_chunks(one, other, first, middle)
        yield from _aligned_chunks(one, other, middle, end)
    elif count:
        yield one.between(first, end), other.between(first, end)


def best_sort(numbers: Numbers) -> Literal["stable", "quicksort"]:
    """The faster sort algorithm: merging where numbers have long sorted stretches."""
    breaks = int(np.count_nonzero(numbers[1:] < numbers[:-1]))
    return "stable" if breaks * _STRETCH < len(numbers) else "quicksort"


def is_in_sorted(numbers: Numbers, held: Numbers) -> Mask:
    """The mask of the numbers that are in a sorted array."""
    if not len(held):
        return np.zeros(len(numbers), bool)
    if np.array_equal(numbers, held):
        return np.ones(len(numbers), bool)
    if best_sort(numbers) == "quicksort":
        # Sorted look-ups take a fraction of the time of random ones.
        order = np.argsort(numbers)
        shuffled = np.empty(len(numbers), bool)
        ordered = numbers[order]
        shuffled[order] = held[places_in(held, ordered)] == ordered
        return shuffled
    found: Mask = held[places_in(held, numbers)] == numbers
    return found


def places_in(held: Numbers, numbers: Numbers) -> NDArray[np.intp]:
    """The index of each number in a sorted array, if it is in the array at all."""
    return np.minimum(np.searchsorted(held, numbers), len(held) - 1)


@dataclass(slots=True)
class _InMemory:
    numbers: Numbers

    @property
    def first(self) -> int:
        return int(self.numbers[0])

    @property
    def last(self) -> int:
        return int(self.numbers[-1])

    def place(self, number: int) -> int:
        """How many numbers are smaller."""
        return int(np.searchsorted(self.numbers, number))

    def read(self, start: int, end: int) -> Numbers:
        return self.numbers[start:end]


@dataclass(slots=True)
class _OnDisk:
    file: TemporaryFile
    begin: int
    length: int
    blocks: Numbers
    last: int

    @property
    def first(self) -> int:
        return int(self.blocks[0])

    def place(self, number: int) -> int:
        """How many numbers are smaller."""
        block = max(0, int(np.searchsorted(self.blocks, number)) - 1) * _BLOCK
        return block + int(np.searchsorted(self.read(block, min(block + _BLOCK, self.length)), number))

    def read(self, start: int, end: int) -> Numbers:
        numbers = np.empty(end - start, np.int64)
        self.file.read_into(numbers.data, self.begin + start * _BYTES)
        return numbers
