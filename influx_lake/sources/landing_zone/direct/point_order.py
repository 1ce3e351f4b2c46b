"""Sorts rows of points by time, and makes sure that each point occurs once."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influx_lake.config.values.source_schema import TIME
from influx_lake.sources.landing_zone.columns import NotPlain
from influx_lake.sources.points.cells import Places

Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)
Numbered: TypeAlias = tuple[Places, int]
"""The number of each row, and how many numbers there are."""

TAG = pa.dictionary(pa.int32(), pa.string())
_MOST_NUMBERS = 2**62
_FEW_PER_ROW = 4


def times_of(rows: Rows) -> Places:
    """The times of rows in nanoseconds."""
    found: Places = rows.column(TIME).cast(pa.int64()).to_numpy()
    return found


def within(rows: pa.RecordBatch, begin: int, end: int) -> pa.RecordBatch:
    """The rows in [begin, end) of rows that are sorted by time."""
    first, last = np.searchsorted(times_of(rows), (begin, end)).tolist()
    return rows.slice(first, last - first)


def tag_of(values: pa.Array) -> pa.DictionaryArray:
    """A tag as a dictionary; an empty value becomes null."""
    encoded = values.dictionary_encode().cast(TAG)
    empty = pc.index(encoded.dictionary, "").as_py()
    if empty < 0:
        return encoded
    places = pc.if_else(pc.equal(encoded.indices, empty), pa.scalar(None, pa.int32()), encoded.indices)
    return pa.DictionaryArray.from_arrays(places, encoded.dictionary)


def in_order(rows: pa.Table, tags: Collection[str]) -> pa.Table:
    """Sort rows by time; rows with equal times are in the order in which their series first appear.

    Args:
        rows: The rows, whose tags are dictionaries (`TAG`).
        tags: The names of the tags.

    Raises:
        NotPlain: Two rows are of one point.
    """
    time = times_of(rows)
    steps = np.diff(time)
    if (steps > 0).all():
        return rows
    rows = rows.combine_chunks()
    if (steps >= 0).all() or (np.diff(np.sort(time)) == 0).any():
        series, count = _series(rows, tags)
        start = int(time.min())
        if (int(time.max()) - start + 1) * count >= _MOST_NUMBERS:
            raise NotPlain
        keys = (time - start) * count + series
    else:
        keys = time
    if (np.diff(keys) > 0).all():
        return rows
    order = np.argsort(keys)
    keys = keys[order]
    if (keys[1:] == keys[:-1]).any():
        raise NotPlain
    return rows.take(pa.array(order))


def _series(rows: pa.Table, tags: Collection[str]) -> Numbered:
    """The number of each row's series, numbered in order of appearance."""
    numbers: Numbered = np.zeros(len(rows), np.int64), 1
    for name in sorted(tags):
        (tag,) = rows.column(name).chunks
        codes = tag.indices.fill_null(-1).to_numpy().astype(np.int64) + 1
        found, count = numbers
        size = len(tag.dictionary) + 1
        if count * size >= _MOST_NUMBERS:
            found, count = _renumbered(numbers)
        numbers = found * size + codes, count * size
    return _renumbered(numbers)


def _renumbered(numbers: Numbered) -> Numbered:
    """Renumber rows from zero on, in order of appearance."""
    found, count = numbers
    if count > _FEW_PER_ROW * len(found):
        found = np.unique(found, return_inverse=True)[1]
        count = int(found.max(initial=-1)) + 1
    # numpy keeps the last of several values for one index, here the first row of each number.
    first = np.full(count, -1, np.int64)
    first[found[::-1]] = np.arange(len(found) - 1, -1, -1)
    there = np.flatnonzero(first >= 0)
    place = np.empty(count, np.int64)
    place[there[np.argsort(first[there])]] = np.arange(len(there))
    return place[found], len(there)
